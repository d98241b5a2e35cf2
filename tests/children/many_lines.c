/* many_lines [LINES=2000000] [EVERY=0]: lines of 24 bytes, newline included, as fast as a program prints them.
 *
 *     cc -O2 many_lines.c -o many_lines
 *
 * Ordinary log lines, all different; with EVERY > 0 each EVERY-th is a metric line, `step=0001000 loss=0.998`.
 */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long lines = argc > 1 ? atol(argv[1]) : 2000000;
    long every = argc > 2 ? atol(argv[2]) : 0;
    for (long i = 1; i <= lines; i++) {
        if (every > 0 && i % every == 0)
            printf("step=%07ld loss=0.%03ld\n", i, (lines - i) * 999 / lines);
        else
            printf("read %07ld of part %02ld\n", i, i / 100000 % 100);
    }
    return 0;
}
