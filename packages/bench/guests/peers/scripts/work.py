# What scripts do: objects and their methods, dictionaries, strings, lists, generators, big integers.
class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def move(self, other, amount):
        if self.balance >= amount:
            self.balance -= amount
            other.balance += amount


def accounts(count, moves):
    all = [Account(f"owner{i}", 1000 + i) for i in range(count)]
    state = 12345
    for _ in range(moves):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        all[state % count].move(all[(state >> 8) % count], state % 97)
    return sum(account.balance * (i + 1) for i, account in enumerate(all))


def words(count):
    frequencies = {}
    for i in range(count):
        word = "".join(chr(97 + (i * k) % 26) for k in (3, 5, 7, 11))
        frequencies[word] = frequencies.get(word, 0) + 1
    return sorted(frequencies.items(), key=lambda item: (-item[1], item[0]))[:5]


def primes(limit):
    sieve = [True] * limit
    for i in range(2, int(limit**0.5) + 1):
        if sieve[i]:
            for j in range(i * i, limit, i):
                sieve[j] = False
    return sum(1 for i in range(2, limit) if sieve[i])


def factorial(n):
    product = 1
    for i in range(2, n + 1):
        product *= i
    return product % (10**9 + 7)


def mean_distance(points):
    xs = [(i * 7919 % 1000) / 1000 for i in range(points)]
    total = 0.0
    for x in xs:
        for y in xs:
            total += (x - y) ** 2
    return round(total / points**2, 9)


print(accounts(100, 40000), words(20000), primes(60000), factorial(600), mean_distance(160))
