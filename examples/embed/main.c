/* A host program of libelg: a game loop of 60 frames a second in which a creature's brain
 * is a durable graph. elg gets a slice of each frame and never holds it up.
 *
 *   cc main.c $(pkg-config --cflags --libs elg) -o embed
 *   ./embed graph.lua sqlite:creature.db
 *
 * A program that is linked with libelg.a says where the compile helper is:
 *
 *   cc main.c -DCOMPILER="\"$(pkg-config --variable=compiler elg)\"" ...
 */
#include <elg.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifndef COMPILER
#define COMPILER NULL /* beside libelg.so, or where make install puts it */
#endif

#define FRAME_US 16667
#define BRAIN_BUDGET_US 2000 /* of a frame */
#define FRAMES_MAX 600
#define DOOR_OPENS_AT 15
#define SENSE_FRAMES 2 /* looking takes a while */

struct world {
    int frame;
    int x;
    struct elg_call *looking; /* answered in frame looked_at + SENSE_FRAMES */
    int looked_at;
};

/* ---- what the brain can do in this world */

static void sense(void *self, struct elg_call *call, const char *request, size_t size,
                  const char *key)
{
    struct world *world = self;
    printf("frame %3d: the creature looks: %.*s (key %.8s)\n", world->frame, (int)size,
           request, key);
    world->looking = call;
    world->looked_at = world->frame;
}

static void move(void *self, struct elg_call *call, const char *request, size_t size,
                 const char *key)
{
    struct world *world = self;
    char answer[32];
    (void)key;
    world->x += 3;
    printf("frame %3d: the creature walks: %.*s\n", world->frame, (int)size, request);
    int length = snprintf(answer, sizeof answer, "{\"x\":%d}", world->x);
    elg_call_complete(call, answer, (size_t)length);
}

static void world_update(struct world *world)
{
    world->frame++;
    if (world->frame == DOOR_OPENS_AT)
        printf("frame %3d: the door opens\n", world->frame);
    if (world->looking == NULL || world->frame < world->looked_at + SENSE_FRAMES)
        return;
    struct elg_call *call = world->looking;
    const char *answer =
        world->frame >= DOOR_OPENS_AT ? "{\"open\":true}" : "{\"open\":false}";
    world->looking = NULL;
    elg_call_complete(call, answer, strlen(answer));
}

/* ---- the loop */

static void on_event(void *self, const struct elg_event *event)
{
    const struct world *world = self;
    if (event->kind == ELG_EVENT_STEP)
        printf("frame %3d: step %" PRId64 " (%s) is durable\n", world->frame,
               event->step_index, event->node_id);
}

static void sleep_until(struct timespec *next)
{
    next->tv_nsec += FRAME_US * 1000L;
    if (next->tv_nsec >= 1000000000L) {
        next->tv_nsec -= 1000000000L;
        next->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static enum elg_status play(struct elg_host *host, struct world *world,
                            struct elg_error *error)
{
    struct timespec next;
    size_t active = 1;
    enum elg_status status = ELG_OK;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (status == ELG_OK && active > 0 && world->frame < FRAMES_MAX) {
        world_update(world);
        status = elg_host_tick(host, BRAIN_BUDGET_US, &active, error);
        sleep_until(&next);
    }
    return status;
}

static enum elg_status print_result(struct elg_host *host, const char *trace_id,
                                    struct elg_error *error)
{
    struct elg_text text;
    enum elg_status status = elg_run_result(host, trace_id, &text, error);
    if (status != ELG_OK)
        return status;
    printf("result: %s\n", text.data);
    elg_text_destroy(&text);
    return ELG_OK;
}

static enum elg_status live(struct elg_host *host, const char *graph_path,
                            struct world *world, struct elg_error *error)
{
    struct elg_run_options run = {.trace_id = "creature"};
    struct elg_graph *graph;
    char trace_id[129];
    bool created;
    enum elg_status status = elg_graph_open(host, graph_path, &graph, error);
    if (status != ELG_OK)
        return status;
    status = elg_run_start(host, graph, &run, trace_id, sizeof trace_id, &created, error);
    if (status == ELG_OK) {
        printf("the creature %s\n", created ? "is born" : "goes on where it was");
        status = play(host, world, error);
    }
    if (status == ELG_OK)
        status = print_result(host, trace_id, error);
    elg_graph_close(graph);
    return status;
}

int main(int argc, char **argv)
{
    struct world world = {0};
    struct elg_host *host = NULL;
    struct elg_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: %s GRAPH STORE\n", argv[0]);
        return 2;
    }
    struct elg_host_options options = {.abi_version = ELG_ABI_VERSION,
                                       .store = argv[2],
                                       .compiler = COMPILER,
                                       .on_event = on_event,
                                       .self = &world};
    setvbuf(stdout, NULL, _IOLBF, 0);
    enum elg_status status = elg_host_open(&options, &host, &error);
    if (status == ELG_OK)
        status = elg_host_register(host, "sense", sense, NULL, &world, &error);
    if (status == ELG_OK)
        status = elg_host_register(host, "move", move, NULL, &world, &error);
    if (status == ELG_OK)
        status = live(host, argv[1], &world, &error);
    if (status != ELG_OK)
        fprintf(stderr, "%s: %s: %s\n", elg_status_name(status), error.where, error.text);
    elg_host_close(host);
    return status == ELG_OK ? 0 : 1;
}
