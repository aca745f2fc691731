/* net: the rules of --allow-net. Uses base and the C library's address texts. Must not
 * resolve names: it judges a name as written and an address as reached.
 *
 * A rule that is a name allows every URL with that host; a rule that is an address allows
 * URLs with that address and names that resolve to it. Without a port it allows every
 * port.
 */
#include "activity/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rule {
    char *name; /* NULL: an address */
    struct in6_addr address;
    uint16_t port; /* 0: all */
};

struct elg_net {
    const struct elg_alloc *alloc;
    size_t count;
    struct rule *rules;
};

static void map_v4(const struct in_addr *v4, struct in6_addr *out)
{
    memset(out, 0, sizeof *out);
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(out->s6_addr + 12, v4, 4);
}

/* An address in text, with or without brackets; IPv4 as its IPv6 form. */
static bool parse_address(const char *text, size_t size, struct in6_addr *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET6, copy, out) == 1)
        return true;
    if (inet_pton(AF_INET, copy, &v4) != 1)
        return false;
    map_v4(&v4, out);
    return true;
}

static bool is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alnum && c != '.' && c != '-' && c != '_')
            return false;
    }
    return size > 0 && size < 256;
}

/* Where the host ends: at the last colon outside brackets, unless there are several
 * colons and no brackets (an IPv6 address alone). */
static size_t host_size(const char *rule)
{
    const char *colon = strrchr(rule, ':');
    const char *bracket = strrchr(rule, ']');
    if (colon == NULL || (bracket != NULL && colon < bracket))
        return strlen(rule);
    if (bracket == NULL && strchr(rule, ':') != colon)
        return strlen(rule);
    return (size_t)(colon - rule);
}

static bool parse_port(const char *text, uint16_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    long port = strtol(text, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535)
        return false;
    *out = (uint16_t)port;
    return true;
}

static enum elg_status parse_rule(const struct elg_alloc *alloc, const char *text,
                                  struct rule *out, struct elg_error *error)
{
    size_t size = host_size(text);
    bool good = text[size] == '\0' || parse_port(text + size + 1, &out->port);
    if (good && parse_address(text, size, &out->address))
        return ELG_OK;
    if (!good || !is_name(text, size))
        return elg_base_fail(error, ELG_USAGE, "allow-net",
                             "\"%s\" is not HOST or HOST:PORT (no scheme, no path; IPv6 "
                             "in brackets)",
                             text);
    if (text[size - 1] == '.')
        size--;
    out->name = elg_base_strndup(alloc, text, size);
    return out->name != NULL ? ELG_OK : elg_base_no_memory(error);
}

enum elg_status elg__net_create(const struct elg_alloc *alloc, const char *const *rules,
                                struct elg_net **out, struct elg_error *error)
{
    size_t count = 0;
    while (rules[count] != NULL && count <= ELG_NET_RULES_MAX)
        count++;
    if (count > ELG_NET_RULES_MAX)
        return elg_base_fail(error, ELG_USAGE, "allow-net", "more than %d rules",
                             ELG_NET_RULES_MAX);
    struct elg_net *net = elg_base_calloc(alloc, sizeof *net);
    if (net == NULL)
        return elg_base_no_memory(error);
    net->alloc = alloc;
    net->rules = elg_base_calloc(alloc, count * sizeof *net->rules);
    enum elg_status status = ELG_OK;
    if (count > 0 && net->rules == NULL)
        status = elg_base_no_memory(error);
    else
        net->count = count;
    for (size_t i = 0; i < count && status == ELG_OK; i++)
        status = parse_rule(alloc, rules[i], &net->rules[i], error);
    if (status != ELG_OK) {
        elg__net_destroy(net);
        return status;
    }
    *out = net;
    return ELG_OK;
}

void elg__net_destroy(struct elg_net *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; i < net->count; i++)
        elg_base_strfree(net->alloc, net->rules[i].name);
    elg_base_free(net->alloc, net->rules, net->count * sizeof *net->rules);
    elg_base_free(net->alloc, net, sizeof *net);
}

static bool allows_address(const struct elg_net *net, const struct in6_addr *address,
                           uint16_t port)
{
    for (size_t i = 0; i < net->count; i++) {
        const struct rule *rule = &net->rules[i];
        if (rule->name == NULL && (rule->port == 0 || rule->port == port) &&
            memcmp(&rule->address, address, sizeof *address) == 0)
            return true;
    }
    return false;
}

enum elg_net_answer elg__net_check_host(const struct elg_net *net, const char *host,
                                        uint16_t port)
{
    struct in6_addr address;
    size_t size = strlen(host);
    if (net == NULL)
        return ELG_NET_YES;
    if (parse_address(host, size, &address))
        return allows_address(net, &address, port) ? ELG_NET_YES : ELG_NET_NO;
    if (size > 0 && host[size - 1] == '.')
        size--;
    enum elg_net_answer answer = ELG_NET_NO;
    for (size_t i = 0; i < net->count; i++) {
        const struct rule *rule = &net->rules[i];
        if (rule->port != 0 && rule->port != port)
            continue;
        if (rule->name == NULL)
            answer = ELG_NET_BY_PEER;
        else if (strlen(rule->name) == size && strncasecmp(rule->name, host, size) == 0)
            return ELG_NET_YES;
    }
    return answer;
}

bool elg__net_check_peer(const struct elg_net *net, const struct sockaddr *peer)
{
    struct in6_addr address;
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof v4);
        map_v4(&v4.sin_addr, &address);
        return allows_address(net, &address, ntohs(v4.sin_port));
    }
    if (peer->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, peer, sizeof v6);
    return allows_address(net, &v6.sin6_addr, ntohs(v6.sin6_port));
}

bool elg__net_check_address(const struct elg_net *net, const char *address, int port)
{
    struct in6_addr parsed;
    return parse_address(address, strlen(address), &parsed) &&
           allows_address(net, &parsed, (uint16_t)port);
}
