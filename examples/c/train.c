/* Train a small neural network to tell the arms of three spirals apart: one line and one weight file per epoch.
 *
 *     cc -O2 train.c -o train -lm
 *     ./train --lr 0.01 --epochs 20
 *
 * An ordinary program in C99: it knows nothing of kwrap. Equal options give equal lines and equal weight files.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define POINTS 80000
#define VALIDATION 4000
#define ARMS 3
#define HIDDEN 64

typedef struct {
    double x, y;
    int arm;
} Point;

typedef struct {
    double in[HIDDEN][3]; /* weights of x, of y, and the bias */
    double out[ARMS][HIDDEN + 1];
} Network;

static uint64_t state = 1;

/* Uniform in [0, 1), the same on every machine. */
static double uniform(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

static void make_points(Point *points, int count) {
    for (int i = 0; i < count; i++) {
        double radius = uniform();
        int arm = (int)(uniform() * ARMS);
        double angle = 9.0 * radius + 6.283185307 * arm / ARMS + 0.8 * (uniform() - 0.5);
        points[i] = (Point){2.0 * radius * cos(angle), 2.0 * radius * sin(angle), arm};
    }
}

static void initialise(Network *net) {
    for (int h = 0; h < HIDDEN; h++)
        for (int i = 0; i < 3; i++) net->in[h][i] = 4.0 * uniform() - 2.0;
    for (int a = 0; a < ARMS; a++)
        for (int h = 0; h <= HIDDEN; h++) net->out[a][h] = 0.2 * uniform() - 0.1;
}

/* Fills the hidden layer and the probability of each arm. */
static void forward(const Network *net, const Point *p, double *hidden, double *probability) {
    double highest = -1e300, sum = 0.0;
    for (int h = 0; h < HIDDEN; h++) hidden[h] = tanh(net->in[h][0] * p->x + net->in[h][1] * p->y + net->in[h][2]);
    for (int a = 0; a < ARMS; a++) {
        probability[a] = net->out[a][HIDDEN];
        for (int h = 0; h < HIDDEN; h++) probability[a] += net->out[a][h] * hidden[h];
        if (probability[a] > highest) highest = probability[a];
    }
    for (int a = 0; a < ARMS; a++) sum += probability[a] = exp(probability[a] - highest);
    for (int a = 0; a < ARMS; a++) probability[a] /= sum;
}

/* One step of stochastic gradient descent; the loss of the point before it. */
static double learn(Network *net, const Point *p, double lr) {
    double hidden[HIDDEN], error[ARMS];
    forward(net, p, hidden, error);
    double loss = -log(error[p->arm] + 1e-12);
    error[p->arm] -= 1.0;
    for (int h = 0; h < HIDDEN; h++) {
        double back = 0.0;
        for (int a = 0; a < ARMS; a++) {
            back += error[a] * net->out[a][h];
            net->out[a][h] -= lr * error[a] * hidden[h];
        }
        back *= lr * (1.0 - hidden[h] * hidden[h]);
        net->in[h][0] -= back * p->x;
        net->in[h][1] -= back * p->y;
        net->in[h][2] -= back;
    }
    for (int a = 0; a < ARMS; a++) net->out[a][HIDDEN] -= lr * error[a];
    return loss;
}

static void evaluate(const Network *net, const Point *points, int count, double *loss, double *accuracy) {
    int right = 0;
    *loss = 0.0;
    for (int i = 0; i < count; i++) {
        double hidden[HIDDEN], probability[ARMS];
        int best = 0;
        forward(net, &points[i], hidden, probability);
        for (int a = 1; a < ARMS; a++)
            if (probability[a] > probability[best]) best = a;
        right += best == points[i].arm;
        *loss -= log(probability[points[i].arm] + 1e-12) / count;
    }
    *accuracy = (double)right / count;
}

/* Written beside and renamed, so that nobody ever sees half a file. */
static void save(const Network *net, int epoch) {
    char path[64], beside[80];
    snprintf(path, sizeof path, "weights/epoch-%02d.bin", epoch);
    snprintf(beside, sizeof beside, "%s.tmp", path);
    FILE *file = fopen(beside, "wb");
    if (!file || fwrite(net, sizeof *net, 1, file) != 1 || fclose(file) != 0 || rename(beside, path) != 0) {
        perror(path);
        exit(1);
    }
}

static double option(int argc, char **argv, const char *name, double otherwise) {
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0) return strtod(argv[i + 1], NULL);
    return otherwise;
}

int main(int argc, char **argv) {
    double lr = option(argc, argv, "--lr", 0.01);
    int epochs = (int)option(argc, argv, "--epochs", 20);
    static Point train[POINTS], validation[VALIDATION];
    Network net;

    make_points(train, POINTS);
    make_points(validation, VALIDATION);
    initialise(&net);
    if (mkdir("weights", 0777) != 0 && errno != EEXIST) {
        perror("weights");
        return 1;
    }
    for (int epoch = 1; epoch <= epochs; epoch++) {
        double train_loss = 0.0, val_loss, val_accuracy;
        for (int i = 0; i < POINTS; i++) train_loss += learn(&net, &train[i], lr) / POINTS;
        evaluate(&net, validation, VALIDATION, &val_loss, &val_accuracy);
        printf("epoch %d/%d train_loss=%.4f val_loss=%.4f val_accuracy=%.4f\n", epoch, epochs, train_loss, val_loss,
               val_accuracy);
        fflush(stdout);
        save(&net, epoch);
    }
    return 0;
}
