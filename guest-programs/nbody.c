// Benchmark: the sun and the four giant planets pulling at each other, in doubles: multiplications, square roots, divisions.
// Usage: nbody [iterations]        one iteration = 1000 steps of 0.01 days

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODIES = 5 };

struct body {
    double position[3]; // astronomical units
    double velocity[3]; // astronomical units a day
    double mass;        // solar masses
};

// Rounded heliocentric positions and velocities of some day: sun, Jupiter, Saturn, Uranus, Neptune.
static struct body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 1},
    {{4.84, -1.16, -0.10}, {0.00166, 0.00770, -0.0000690}, 9.55e-4},
    {{8.34, 4.12, -0.40}, {-0.00277, 0.00500, 0.0000230}, 2.86e-4},
    {{12.89, -15.11, -0.22}, {0.00296, 0.00238, -0.0000297}, 4.37e-5},
    {{15.38, -25.92, 0.18}, {0.00268, 0.00163, -0.0000952}, 5.15e-5},
};

static const double GRAVITY = 2.959122e-4; // au^3 / (solar mass day^2)

static __attribute__((noinline)) void advance(double days) {
    for (int i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *q = &bodies[j];
            double dx = p->position[0] - q->position[0], dy = p->position[1] - q->position[1], dz = p->position[2] - q->position[2];
            double squared = dx * dx + dy * dy + dz * dz;
            double pull = GRAVITY * days / (squared * sqrt(squared));
            p->velocity[0] -= dx * q->mass * pull;
            p->velocity[1] -= dy * q->mass * pull;
            p->velocity[2] -= dz * q->mass * pull;
            q->velocity[0] += dx * p->mass * pull;
            q->velocity[1] += dy * p->mass * pull;
            q->velocity[2] += dz * p->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) for (int k = 0; k < 3; k++) bodies[i].position[k] += days * bodies[i].velocity[k];
}

static double energy(void) {
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *p = &bodies[i];
        for (int k = 0; k < 3; k++) sum += 0.5 * p->mass * p->velocity[k] * p->velocity[k];
        for (int j = i + 1; j < BODIES; j++) {
            double squared = 0;
            for (int k = 0; k < 3; k++) squared += (p->position[k] - bodies[j].position[k]) * (p->position[k] - bodies[j].position[k]);
            sum -= GRAVITY * p->mass * bodies[j].mass / sqrt(squared);
        }
    }
    return sum;
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    for (unsigned long i = 0; i < iterations * 1000; i++) advance(0.01);
    printf("nbody %lu: %.17g\n", iterations, energy());
    return 0;
}
