/* curl: libcurl, loaded when the first call over HTTP needs it.
 *
 * libcurl brings thirty libraries with it, which a process that makes no such call would
 * spend half of its start on. The names of libcurl's functions stand for members of a
 * table here, so that code reads as usual. elg__curl_load comes before any of them.
 */
#ifndef ELG_ACTIVITY_CURL_H
#define ELG_ACTIVITY_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/status.h"

/* What of libcurl is used: X(name without "curl_"). */
#define ELG_CURL_FUNCTIONS(X)                                                            \
    X(easy_cleanup)                                                                      \
    X(easy_getinfo)                                                                      \
    X(easy_header)                                                                       \
    X(easy_init)                                                                         \
    X(easy_reset)                                                                        \
    X(easy_setopt)                                                                       \
    X(easy_strerror)                                                                     \
    X(free)                                                                              \
    X(global_cleanup)                                                                    \
    X(global_init)                                                                       \
    X(multi_add_handle)                                                                  \
    X(multi_cleanup)                                                                     \
    X(multi_info_read)                                                                   \
    X(multi_init)                                                                        \
    X(multi_remove_handle)                                                               \
    X(multi_setopt)                                                                      \
    X(multi_socket_action)                                                               \
    X(slist_append)                                                                      \
    X(slist_free_all)                                                                    \
    X(url)                                                                               \
    X(url_cleanup)                                                                       \
    X(url_get)                                                                           \
    X(url_set)                                                                           \
    X(url_strerror)

#define ELG_CURL_MEMBER(name) __typeof__(&curl_##name) name;
struct elg_curl {
    ELG_CURL_FUNCTIONS(ELG_CURL_MEMBER)
};
extern struct elg_curl elg__curl;

/* Loads it, once per process; it stays. ELG_IO: it is not there, or too old. */
enum elg_status elg__curl_load(struct elg_error *error);

#ifndef ELG_CURL_NAMES
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#define curl_easy_cleanup elg__curl.easy_cleanup
#define curl_easy_getinfo elg__curl.easy_getinfo
#define curl_easy_header elg__curl.easy_header
#define curl_easy_init elg__curl.easy_init
#define curl_easy_reset elg__curl.easy_reset
#define curl_easy_setopt elg__curl.easy_setopt
#define curl_easy_strerror elg__curl.easy_strerror
#define curl_free elg__curl.free
#define curl_global_cleanup elg__curl.global_cleanup
#define curl_global_init elg__curl.global_init
#define curl_multi_add_handle elg__curl.multi_add_handle
#define curl_multi_cleanup elg__curl.multi_cleanup
#define curl_multi_info_read elg__curl.multi_info_read
#define curl_multi_init elg__curl.multi_init
#define curl_multi_remove_handle elg__curl.multi_remove_handle
#define curl_multi_setopt elg__curl.multi_setopt
#define curl_multi_socket_action elg__curl.multi_socket_action
#define curl_slist_append elg__curl.slist_append
#define curl_slist_free_all elg__curl.slist_free_all
#define curl_url elg__curl.url
#define curl_url_cleanup elg__curl.url_cleanup
#define curl_url_get elg__curl.url_get
#define curl_url_set elg__curl.url_set
#define curl_url_strerror elg__curl.url_strerror
#endif

#endif
