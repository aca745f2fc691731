/* ask: Provides ask.h, and elg_sandbox_compile of sandbox.h. */
#include "jailed/ask.h"

/* The host's answer: bytes appended to `out`, or its error. */
static enum elg_status take_answer(struct elg_channel *channel,
                                   enum elg_jail_message kind, struct elg_buf *out,
                                   struct elg_error *error)
{
    struct elg_jail_fields fields;
    elg_jailed_receive_only(channel, kind, &fields);
    enum elg_status status = (enum elg_status)elg_jail_fields_u32(&fields);
    if (status != ELG_OK) {
        const char *where = elg_jail_fields_text(&fields);
        return elg_base_fail(error, status, where, "%s", elg_jail_fields_text(&fields));
    }
    struct elg_bytes bytes = elg_jail_fields_bytes(&fields);
    if (!elg_jail_fields_over(&fields))
        elg_jailed_give_up();
    elg_base_buf_append(out, bytes.data, bytes.size);
    return out->failed ? elg_base_no_memory(error) : ELG_OK;
}

enum elg_status elg_jailed_ask_source(void *self, const char *path, struct elg_buf *out,
                                      struct elg_error *error)
{
    struct elg_channel *channel = self;
    size_t place = elg_jail_wire_begin(&channel->out, ELG_JAIL_READ);
    elg_jail_wire_text(&channel->out, path);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
    return take_answer(channel, ELG_JAIL_SOURCE, out, error);
}

enum elg_status elg_sandbox_compile(struct elg_compiler *compiler, const char *chunk,
                                    struct elg_bytes source, struct elg_buf *bytecode,
                                    struct elg_error *error)
{
    struct elg_channel *channel = compiler->channel;
    size_t place = elg_jail_wire_begin(&channel->out, ELG_JAIL_COMPILE);
    elg_jail_wire_text(&channel->out, chunk);
    elg_jail_wire_bytes(&channel->out, source);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
    return take_answer(channel, ELG_JAIL_BYTECODE, bytecode, error);
}
