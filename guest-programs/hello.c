// Hello, world in C: start-up code, stdio and exit of a static libc around one write.

#include <stdio.h>

int main(void) {
    puts("Hello, world!");
    return 0;
}
