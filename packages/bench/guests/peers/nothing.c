// What spawn.c starts.
int main(void) { return 0; }
