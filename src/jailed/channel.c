/* channel: Provides channel.h; uses read and write on descriptor 0 alone. */
#include "jailed/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES_MIN 65536
#define KEPT_BYTES_MAX                                                                   \
    (1u << 20) /* larger buffers are given back when they are empty                      \
                */

void elg_jailed_channel_init(struct elg_channel *channel, const struct elg_alloc *alloc)
{
    elg_base_buf_init(&channel->in, alloc);
    elg_base_buf_init(&channel->out, alloc);
    channel->taken = 0;
}

void elg_jailed_give_up(void)
{
    _exit(0);
}

/* An empty buffer again, without the memory of a large message. */
static void empty(struct elg_buf *buf)
{
    const struct elg_alloc *alloc = buf->alloc;
    if (buf->capacity > KEPT_BYTES_MAX) {
        elg_base_buf_fini(buf);
        elg_base_buf_init(buf, alloc);
    }
    elg_base_buf_reset(buf);
}

static void read_more(struct elg_buf *in, size_t wanted)
{
    if (wanted < READ_BYTES_MIN)
        wanted = READ_BYTES_MIN;
    if (!elg_base_buf_reserve(in, wanted))
        elg_jailed_give_up();
    ssize_t n = read(0, in->data + in->size, wanted);
    if (n > 0)
        in->size += (size_t)n;
    else if (n == 0 || errno != EINTR)
        elg_jailed_give_up();
}

/* Reads until `bytes` are there that were not taken. */
static void need(struct elg_channel *channel, size_t bytes)
{
    while (channel->in.size - channel->taken < bytes)
        read_more(&channel->in, bytes - (channel->in.size - channel->taken));
}

static void forget_taken(struct elg_channel *channel)
{
    size_t left = channel->in.size - channel->taken;
    if (left == 0) {
        empty(&channel->in);
    } else if (channel->taken > 0) {
        memmove(channel->in.data, channel->in.data + channel->taken, left);
        channel->in.size = left;
    }
    channel->taken = 0;
}

enum elg_jail_message elg_jailed_receive(struct elg_channel *channel,
                                         struct elg_jail_fields *fields)
{
    struct elg_jail_head head;
    forget_taken(channel);
    need(channel, sizeof head);
    memcpy(&head, channel->in.data, sizeof head);
    if (head.bytes > ELG_JAIL_MESSAGE_BYTES_MAX)
        elg_jailed_give_up();
    need(channel, sizeof head + head.bytes);
    struct elg_bytes message = {channel->in.data + sizeof head, head.bytes};
    channel->taken = sizeof head + head.bytes;
    elg_jail_fields_init(fields, message);
    return (enum elg_jail_message)head.kind;
}

void elg_jailed_receive_only(struct elg_channel *channel, enum elg_jail_message kind,
                             struct elg_jail_fields *fields)
{
    if (elg_jailed_receive(channel, fields) != kind)
        elg_jailed_give_up();
}

static void write_all(struct elg_bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(0, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            elg_jailed_give_up();
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
}

void elg_jailed_send(struct elg_channel *channel)
{
    struct elg_buf *out = &channel->out;
    if (out->failed) {
        elg_base_buf_reset(out); /* its memory is there still */
        size_t place = elg_jail_wire_begin(out, ELG_JAIL_FAILED);
        elg_jail_wire_u32(out, ELG_NO_MEMORY);
        elg_jail_wire_text(out, "");
        elg_jail_wire_text(out, "out of memory");
        elg_jail_wire_end(out, place);
        if (out->failed)
            elg_jailed_give_up();
    }
    write_all(elg_base_buf_bytes(out));
    empty(out);
}
