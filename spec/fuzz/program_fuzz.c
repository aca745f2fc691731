/* program_fuzz: any bytes at all as the Lua of a graph (make fuzz F=program).
 *
 * The whole way of a graph's file: the compile helper, its main chunk in the sandbox, the
 * description that the prelude makes of what it returned, elg_graph_parse, and a step of
 * its entry node. Checks that nothing crashes, leaks or goes on for ever, and that what
 * the sandbox describes is canonical and a graph. abort() is libFuzzer's way to say no.
 *
 * ELG_COMPILE names the helper; build/elg-compile by default.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "sandbox/sandbox.h"
#include "json/json.h"

#define FUEL_MAX 200000
#define OUTCOMES_MAX 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct elg_sandbox *box;

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static void open_box(void)
{
    struct elg_sandbox_options options;
    struct elg_compiler *compiler = NULL;
    struct elg_error error;
    const char *path = getenv("ELG_COMPILE");
    memset(&options, 0, sizeof options);
    demand(elg_sandbox_compiler_create(NULL, path != NULL ? path : "build/elg-compile",
                                       &compiler, &error) == ELG_OK);
    options.compiler = compiler;
    options.memory_bytes_max = 8u << 20;
    demand(elg_sandbox_create(&options, &box, &error) == ELG_OK);
}

static enum elg_status read_source(void *self, const char *path, struct elg_buf *out,
                                   struct elg_error *error)
{
    const struct elg_bytes *text = self;
    if (strcmp(path, "graph.lua") != 0)
        return elg_base_fail(error, ELG_NOT_FOUND, path, "no such file");
    elg_base_buf_append(out, text->data, text->size);
    return ELG_OK;
}

static void run_step(struct elg_program *program, const char *node)
{
    struct elg_error error;
    struct elg_outcome out;
    struct elg_job job;
    memset(&job, 0, sizeof job);
    job.kind = ELG_JOB_NODE;
    job.node_id = node;
    job.state = job.input = elg_base_bytes("{}");
    job.trace_id = job.seed = "fuzz";
    job.attempt = 1;
    job.fuel_max = FUEL_MAX;
    job.memory_bytes_max = 8u << 20;
    demand(elg_sandbox_begin(box, program, &job, &error) == ELG_OK);
    for (int i = 0; i < OUTCOMES_MAX; i++) {
        demand(elg_sandbox_resume(box, NULL, &out, &error) == ELG_OK);
        demand(out.fuel <= FUEL_MAX);
        if (out.kind == ELG_OUTCOME_DONE)
            demand(elg_json_is_canonical(elg_base_alloc_default(), out.state));
        if (out.kind != ELG_OUTCOME_SLICE && out.kind != ELG_OUTCOME_CALL)
            return;
    }
    elg_sandbox_discard(box);
}

static void check_program(struct elg_program *program)
{
    struct elg_graph_data *graph = NULL;
    struct elg_error error;
    struct elg_bytes text = elg_sandbox_program_describe(program);
    demand(elg_json_is_canonical(elg_base_alloc_default(), text));
    enum elg_status status =
        elg_graph_parse(elg_base_alloc_default(), text, &graph, NULL, &error);
    if (status == ELG_OK && elg_graph_node(graph, elg_graph_entry(graph)) != NULL)
        run_step(program, elg_graph_entry(graph));
    elg_graph_data_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elg_bytes text = {data, size};
    struct elg_program_loader loader = {read_source, &text};
    struct elg_program *program = NULL;
    struct elg_error error;
    if (box == NULL)
        open_box();
    enum elg_status status =
        elg_sandbox_program_create(box, "graph.lua", &loader, &program, &error);
    if (status == ELG_OK)
        check_program(program);
    else
        demand(status != ELG_INTERNAL && error.text[0] != '\0');
    elg_sandbox_program_destroy(program);
    return 0;
}
