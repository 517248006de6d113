// Benchmark: the loop of a bytecode interpreter, a switch that is one indirect jump nobody can predict, over a stack machine.
// Usage: bytecode [iterations]     one iteration = Collatz sequences of 1 to 999, and their lengths summed up, in bytecode

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUSH, LOAD, STORE, ADD, SUB, MUL, AND, SHR, LESS, EQUAL, JUMP, JUMP_IF, JUMP_IF_NOT, INCREMENT, STOP };

enum { N, VALUE, STEPS, TOTAL, VARIABLES };

// for (n = 1; n < 1000; n++) for (value = n, steps = 0; value != 1; steps++) value = value odd ? 3 * value + 1 : value / 2
static const uint8_t program[] = {
    /*  0 */ PUSH, 1, STORE, N,
    /*  4 */ LOAD, N, STORE, VALUE, PUSH, 0, STORE, STEPS,
    /* 12 */ LOAD, VALUE, PUSH, 1, EQUAL, JUMP_IF, 45,
    /* 19 */ LOAD, VALUE, PUSH, 1, AND, JUMP_IF_NOT, 36,
    /* 26 */ LOAD, VALUE, PUSH, 3, MUL, INCREMENT, STORE, VALUE, JUMP, 41,
    /* 36 */ LOAD, VALUE, SHR, STORE, VALUE,
    /* 41 */ INCREMENT + 64, STEPS, JUMP, 12,
    /* 45 */ LOAD, TOTAL, LOAD, STEPS, ADD, STORE, TOTAL, INCREMENT + 64, N,
    /* 54 */ LOAD, N, PUSH, 250, PUSH, 4, MUL, LESS, JUMP_IF, 4, STOP,
};

static __attribute__((noinline)) int64_t interpret(const uint8_t *code) {
    int64_t stack[16], variables[VARIABLES] = {0};
    int64_t *top = stack;
    const uint8_t *at = code;
    for (;;) {
        switch (*at++) {
            case PUSH: *++top = *at++; break;
            case LOAD: *++top = variables[*at++]; break;
            case STORE: variables[*at++] = *top--; break;
            case ADD: top--; top[0] += top[1]; break;
            case SUB: top--; top[0] -= top[1]; break;
            case MUL: top--; top[0] *= top[1]; break;
            case AND: top--; top[0] &= top[1]; break;
            case SHR: top[0] >>= 1; break;
            case LESS: top--; top[0] = top[0] < top[1]; break;
            case EQUAL: top--; top[0] = top[0] == top[1]; break;
            case JUMP: at = code + *at; break;
            case JUMP_IF: at = *top-- ? code + *at : at + 1; break;
            case JUMP_IF_NOT: at = *top-- ? at + 1 : code + *at; break;
            case INCREMENT: top[0]++; break;
            case INCREMENT + 64: variables[*at++]++; break;
            case STOP: return variables[TOTAL];
            default: return -1;
        }
    }
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    int64_t total = 0;
    for (unsigned long i = 0; i < iterations; i++) total += interpret(program);
    printf("bytecode %lu: %lld\n", iterations, (long long)total);
    return 0;
}
