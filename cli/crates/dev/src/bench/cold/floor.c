/* The least that a program needs to answer with an ONNX model: the floor below every cold start.
 *
 * It loads ONNX Runtime, makes an environment and a session, and runs the model once, on a constant
 * input. If AWS_LAMBDA_RUNTIME_API is set, it is a bootstrap as well, which answers invocations;
 * without a model it is one that does nothing else. Alone it prints the milliseconds of each step
 * and ends.
 *
 *     cc -O2 -o floor floor.c -ldl
 *     FLOOR_LIBRARY=libonnxruntime.so FLOOR_MODEL=model.onnx ./floor
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Open dimensions behind the first one, such as the length of a text. */
#define OPEN_DIMENSION 16
#define MOST_INPUTS 8
#define MOST_DIMENSIONS 8

/* Places in OrtApi, which never change: onnxruntime_c_api.h. */
enum {
    GET_ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_SESSION_OPTIONS = 10,
    SET_OPTIMIZED_MODEL_FILE_PATH = 11, SET_GRAPH_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_NUM_THREADS = 24, SESSION_GET_INPUT_COUNT = 30, SESSION_GET_OUTPUT_COUNT = 31,
    SESSION_GET_INPUT_TYPE_INFO = 33, SESSION_GET_INPUT_NAME = 36, SESSION_GET_OUTPUT_NAME = 37,
    CREATE_TENSOR_AS_VALUE = 48, GET_TENSOR_MUTABLE_DATA = 51, CAST_TYPE_INFO_TO_TENSOR_INFO = 55,
    GET_TENSOR_ELEMENT_TYPE = 60, GET_DIMENSIONS_COUNT = 61, GET_DIMENSIONS = 62,
    GET_ALLOCATOR_WITH_DEFAULT_OPTIONS = 78
};
enum { ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };

typedef void *Status;
typedef Status (*Call)();
struct Base { const void *(*api)(uint32_t version); const char *(*version)(void); };

static Call *api;

static void fail(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* Every call answers a status, which is null if it went well. */
static void check(Status status) {
    if (status) fail(((const char *(*)(Status))api[GET_ERROR_MESSAGE])(status));
}

static double milliseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

struct Model {
    void *session, *inputs[MOST_INPUTS];
    char *input_names[MOST_INPUTS], *output_names[MOST_INPUTS];
    size_t input_count, output_count;
};

/* What an input takes, filled with halves or ones. */
static void *constant(void *allocator, void *type) {
    const void *tensor;
    int element;
    size_t rank, count = 1;
    int64_t shape[MOST_DIMENSIONS];
    void *value, *data;
    check(api[CAST_TYPE_INFO_TO_TENSOR_INFO](type, &tensor));
    check(api[GET_TENSOR_ELEMENT_TYPE](tensor, &element));
    check(api[GET_DIMENSIONS_COUNT](tensor, &rank));
    if (rank > MOST_DIMENSIONS) fail("an input has too many dimensions");
    check(api[GET_DIMENSIONS](tensor, shape, rank));
    for (size_t axis = 0; axis < rank; axis++) {
        if (shape[axis] < 0) shape[axis] = axis ? OPEN_DIMENSION : 1;
        count *= shape[axis];
    }
    check(api[CREATE_TENSOR_AS_VALUE](allocator, shape, rank, element, &value));
    check(api[GET_TENSOR_MUTABLE_DATA](value, &data));
    for (size_t index = 0; index < count; index++) {
        if (element == ELEMENT_FLOAT) ((float *)data)[index] = 0.5f;
        else if (element == ELEMENT_INT64) ((int64_t *)data)[index] = 1;
        else fail("an input is neither float32 nor int64");
    }
    return value;
}

static void describe(struct Model *model) {
    void *allocator, *type;
    check(api[GET_ALLOCATOR_WITH_DEFAULT_OPTIONS](&allocator));
    check(api[SESSION_GET_INPUT_COUNT](model->session, &model->input_count));
    check(api[SESSION_GET_OUTPUT_COUNT](model->session, &model->output_count));
    if (model->input_count > MOST_INPUTS || model->output_count > MOST_INPUTS)
        fail("too many inputs or outputs");
    for (size_t index = 0; index < model->input_count; index++) {
        check(api[SESSION_GET_INPUT_NAME](model->session, index, allocator,
                                          &model->input_names[index]));
        check(api[SESSION_GET_INPUT_TYPE_INFO](model->session, index, &type));
        model->inputs[index] = constant(allocator, type);
    }
    for (size_t index = 0; index < model->output_count; index++)
        check(api[SESSION_GET_OUTPUT_NAME](model->session, index, allocator,
                                           &model->output_names[index]));
}

static void run(struct Model *model) {
    void *outputs[MOST_INPUTS] = {0};
    check(api[RUN](model->session, NULL, model->input_names, model->inputs, model->input_count,
                   model->output_names, model->output_count, outputs));
}

/* Whether all of a body is there. The emulator sends large events in chunks, or with their length. */
static int is_whole(char *answer, char *body, size_t length) {
    static const char last[] = "\r\n0\r\n\r\n";
    size_t end = sizeof last - 1;
    char *declared;
    body[-2] = 0;
    declared = strcasestr(answer, "content-length:");
    body[-2] = '\r';
    if (declared) return length >= (body - answer) + strtoul(declared + 15, NULL, 10);
    return length >= end && !memcmp(answer + length - end, last, end);
}

/* One request over a connection of its own; what came is in `answer`. */
static void call(const char *address, const char *request, char *answer, size_t room) {
    char host[64], *colon;
    struct sockaddr_in to = {.sin_family = AF_INET};
    int on = 1, stream = socket(AF_INET, SOCK_STREAM, 0);
    size_t length = 0;
    snprintf(host, sizeof host, "%s", address);
    colon = strchr(host, ':');
    if (!colon) fail("the Runtime API has no port");
    *colon = 0;
    to.sin_port = htons(atoi(colon + 1));
    inet_pton(AF_INET, host, &to.sin_addr);
    setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The emulator begins to listen when it begins to start bootstraps: not always before. */
    for (int tries = 0; connect(stream, (struct sockaddr *)&to, sizeof to); tries++) {
        if (tries == 1000) fail("no Runtime API");
        usleep(100);
    }
    if (write(stream, request, strlen(request)) < 0) fail("the Runtime API hung up");
    for (;;) {
        ssize_t count = read(stream, answer + length, room - length - 1);
        char *body;
        if (count <= 0) exit(0);
        length += count;
        answer[length] = 0;
        body = strstr(answer, "\r\n\r\n");
        if (body && is_whole(answer, body + 4, length)) break;
        if (length + 1 >= room) fail("an event is too large");
    }
    close(stream);
}

static void serve(const char *address, struct Model *model) {
    static char answer[8 << 20];
    char request[512], id[64];
    const char *version = "/2018-06-01/runtime/invocation";
    for (;;) {
        snprintf(request, sizeof request, "GET %s/next HTTP/1.1\r\nHost: %s\r\n\r\n", version,
                 address);
        call(address, request, answer, sizeof answer);
        char *found = strcasestr(answer, "lambda-runtime-aws-request-id:");
        if (!found || sscanf(found + 30, " %63[^\r]", id) != 1) fail("an invocation has no id");
        if (model) run(model);
        snprintf(request, sizeof request,
                 "POST %s/%s/response HTTP/1.1\r\nHost: %s\r\nContent-Length: 11\r\n\r\n"
                 "{\"ok\":true}", version, id, address);
        call(address, request, answer, sizeof answer);
    }
}

int main(void) {
    const char *library = getenv("FLOOR_LIBRARY"), *path = getenv("FLOOR_MODEL");
    const char *level = getenv("FLOOR_LEVEL"), *optimized = getenv("FLOOR_OPTIMIZED");
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    /* The processor time so far is what it took to get here. */
    double before = milliseconds(CLOCK_PROCESS_CPUTIME_ID), start = milliseconds(CLOCK_MONOTONIC);
    struct Model model = {0};
    void *environment, *options;
    if (!path || !library) {
        if (address) serve(address, NULL);
        return 0;
    }
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) fail(dlerror());
    const struct Base *(*base)(void) = (const struct Base *(*)(void))dlsym(handle, "OrtGetApiBase");
    if (!base) fail("no OrtGetApiBase");
    api = (Call *)base()->api(24);
    double opened = milliseconds(CLOCK_MONOTONIC);
    check(api[CREATE_ENV](3, "floor", &environment));
    double made = milliseconds(CLOCK_MONOTONIC);
    check(api[CREATE_SESSION_OPTIONS](&options));
    check(api[SET_INTRA_OP_NUM_THREADS](options, 1));
    if (level) check(api[SET_GRAPH_OPTIMIZATION_LEVEL](options, atoi(level)));
    if (optimized) check(api[SET_OPTIMIZED_MODEL_FILE_PATH](options, optimized));
    check(api[CREATE_SESSION](environment, path, options, &model.session));
    double loaded = milliseconds(CLOCK_MONOTONIC);
    describe(&model);
    if (address) serve(address, &model);
    run(&model);
    double done = milliseconds(CLOCK_MONOTONIC);
    printf("{\"start\":%.3f,\"library\":%.3f,\"environment\":%.3f,\"session\":%.3f,\"run\":%.3f,"
           "\"total\":%.3f}\n", before, opened - start, made - opened, loaded - made,
           done - loaded, before + done - start);
    fflush(stdout);
    _exit(0);
}
