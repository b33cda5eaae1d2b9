#include "process.h"

#include "ops.h"

void process_create(struct process *process) {
  space_create(&process->space, SV39_LEVELS);
  space_map(&process->space, USER_CODE, (uintptr_t)user_code, 1, LEAF_USER | LEAF_READ | LEAF_EXECUTE);
  process->next = NULL;
  process->fault = NULL;
}

uint64_t process_run(struct process *process, const char *program, uint64_t first, uint64_t second) {
  process->frame.pc = USER_CODE + (uint64_t)(program - user_code);
  process->frame.registers[REGISTER_A0] = first;
  process->frame.registers[REGISTER_A1] = second;
  ops->set_space(&process->space);
  return ops->run_user(&process->frame);
}
