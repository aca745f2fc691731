/* module: the files of a program: reading, compiling, running each once.
 *
 * Uses program, compiler. For the files of this folder only.
 */
#ifndef ELG_SANDBOX_MODULE_H
#define ELG_SANDBOX_MODULE_H

#include "sandbox/program.h"

/* Host's side: reads and compiles the entry file as module 0. */
enum elg_status elg_sandbox_module_entry(struct elg_program *program, const char *entry,
                                         const struct elg_program_loader *loader,
                                         struct elg_error *error);
/* Host's side: answers the fiber's MODULE or COMPILE. loader NULL: only what was read
 * before is found. */
enum elg_status elg_sandbox_module_serve(struct elg_program *program,
                                         const struct elg_program_loader *loader,
                                         struct elg_error *error);
void elg_sandbox_module_fini(struct elg_program *program);

/* The line of the entry file where elg.graph is called, 0 if it is not seen: the call is
 * the last thing a file does, `return elg.graph {`, and such a tail call leaves no frame.
 */
int elg_sandbox_module_graph_line(const struct elg_program *program);

/* Fiber: runs module `index` of the program being loaded; pushes what it returns. */
void elg_sandbox_module_run(lua_State *L, int index);
/* C function: require(name). */
int elg_sandbox_module_require(lua_State *L);
/* Host's side: compiles box->source for load(). Any status but ELG_OK is none of the
 * text's own doing, and must not reach Lua. */
enum elg_status elg_sandbox_module_compile(struct elg_sandbox *box,
                                           struct elg_error *error);

#endif
