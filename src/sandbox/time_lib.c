/* time_lib: os.time, os.date, os.clock of the attempt's start, in UTC and English, by
 * arithmetic alone. Provides that part of library.h. */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/box.h"
#include "sandbox/library.h"

#define SECONDS_MAX 253402300799.0 /* the end of the year 9999 */
#define DATE_UNITS 16              /* for each letter */
#define SECONDS_MIN (-62167219200.0)

struct date {
    int64_t year;
    int month, day, hour, minute, second; /* month and day from 1 */
    int weekday;                          /* from 0, Sunday */
    int yearday;                          /* from 0 */
};

static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

static int64_t divide_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a day of the Gregorian calendar; a month past 12 or a day past
 * the month's end counts on. The year is taken to begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year += divide_down(month - 1, 12);
    month = month - 1 - divide_down(month - 1, 12) * 12; /* from 0 */
    int64_t shifted = (month + 10) % 12;                 /* March is 0 */
    year -= month < 2;
    int64_t days = year * 365 + divide_down(year, 4) - divide_down(year, 100) +
                   divide_down(year, 400);
    return days + (shifted * 306 + 5) / 10 + day - 1 - 719468;
}

static void date_of(int64_t seconds, struct date *out)
{
    int64_t days = divide_down(seconds, 86400);
    int64_t rest = seconds - days * 86400;
    out->hour = (int)(rest / 3600);
    out->minute = (int)(rest / 60 % 60);
    out->second = (int)(rest % 60);
    out->weekday = (int)(days + 4 - divide_down(days + 4, 7) * 7);
    int64_t year = 1970 + divide_down(days * 400, 146097);
    while (days_of(year, 1, 1) > days)
        year--;
    while (days_of(year + 1, 1, 1) <= days)
        year++;
    int month = 1;
    while (month < 12 && days_of(year, month + 1, 1) <= days)
        month++;
    out->year = year;
    out->month = month;
    out->day = (int)(days - days_of(year, month, 1)) + 1;
    out->yearday = (int)(days - days_of(year, 1, 1));
}

static int64_t now_ms(lua_State *L)
{
    struct elg_head *head = elg_sandbox_head(L);
    if (head->phase != ELG_PHASE_RUNNING || head->box->now.job.kind == ELG_JOB_INITIAL)
        luaL_error(L, "the clock is not here while the graph is loaded and its initial "
                      "state is made; a node has it");
    return head->box->now.job.clock_ms;
}

/* ---- time */

static int64_t field(lua_State *L, const char *name, bool needed, int64_t fallback)
{
    lua_getfield(L, 1, name);
    if (lua_isnil(L, -1) && !needed) {
        lua_pop(L, 1);
        return fallback;
    }
    if (!lua_isnumber(L, -1))
        luaL_error(L, "field '%s' missing in date table", name);
    double value = lua_tonumber(L, -1);
    if (!(fabs(value) <= 1e10))
        luaL_error(L, "field '%s' is out of bounds", name);
    lua_pop(L, 1);
    return (int64_t)value;
}

int elg_sandbox_lib_time(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_pushnumber(L, (lua_Number)divide_down(now_ms(L), 1000));
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int64_t days = days_of(field(L, "year", true, 0), field(L, "month", true, 0),
                           field(L, "day", true, 0));
    int64_t seconds = days * 86400 + field(L, "hour", false, 12) * 3600 +
                      field(L, "min", false, 0) * 60 + field(L, "sec", false, 0);
    lua_pushnumber(L, (lua_Number)seconds);
    return 1;
}

/* ---- date */

static void push_date(lua_State *L, const struct date *date)
{
    const struct {
        const char *name;
        double value;
    } fields[] = {{"year", (double)date->year}, {"month", date->month},
                  {"day", date->day},           {"hour", date->hour},
                  {"min", date->minute},        {"sec", date->second},
                  {"wday", date->weekday + 1},  {"yday", date->yearday + 1}};
    lua_createtable(L, 0, 9);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushnumber(L, fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "isdst");
}

/* The format that a letter stands for; NULL: it has a value of its own. */
static const char *expansion(char letter)
{
    switch (letter) {
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'r':
        return "%I:%M:%S %p";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    default:
        return NULL;
    }
}

/* Number of the week of the year that begins with its first `first` (0 Sunday). */
static int week_of(const struct date *date, int first)
{
    return (date->yearday + 7 - (date->weekday + 7 - first) % 7) / 7;
}

static void add_number(luaL_Buffer *out, const char *format, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, format, (long long)value);
    luaL_addstring(out, text);
}

static void add_name(luaL_Buffer *out, char letter, const struct date *date)
{
    bool month = letter == 'b' || letter == 'B' || letter == 'h';
    const char *name = month ? MONTHS[date->month - 1] : DAYS[date->weekday];
    bool whole = letter == 'A' || letter == 'B';
    luaL_addlstring(out, name, whole ? strlen(name) : 3);
}

/* One letter with a value; false: there is no such letter. */
static bool add_letter(luaL_Buffer *out, char letter, const struct date *date,
                       int64_t seconds)
{
    const struct {
        char letter;
        const char *format;
        int64_t value;
    } numbers[] = {{'C', "%02lld", date->year / 100},
                   {'d', "%02lld", date->day},
                   {'e', "%2lld", date->day},
                   {'H', "%02lld", date->hour},
                   {'I', "%02lld", (date->hour + 11) % 12 + 1},
                   {'j', "%03lld", date->yearday + 1},
                   {'m', "%02lld", date->month},
                   {'M', "%02lld", date->minute},
                   {'s', "%lld", seconds},
                   {'S', "%02lld", date->second},
                   {'u', "%lld", date->weekday == 0 ? 7 : date->weekday},
                   {'U', "%02lld", week_of(date, 0)},
                   {'w', "%lld", date->weekday},
                   {'W', "%02lld", week_of(date, 1)},
                   {'y', "%02lld", (date->year % 100 + 100) % 100},
                   {'Y', "%lld", date->year}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].letter == letter)
            return add_number(out, numbers[i].format, numbers[i].value), true;
    if (strchr("aAbBh", letter) != NULL)
        return add_name(out, letter, date), true;
    static const char *const TEXTS[] = {"p", "z+0000", "ZUTC", "n\n", "t\t", "%%"};
    if (letter == 'p')
        return luaL_addstring(out, date->hour < 12 ? "AM" : "PM"), true;
    for (size_t i = 1; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (TEXTS[i][0] == letter)
            return luaL_addstring(out, TEXTS[i] + 1), true;
    return false;
}

static void add_format(lua_State *L, luaL_Buffer *out, const char *format,
                       const struct date *date, int64_t seconds, int depth)
{
    for (const char *p = format; *p != '\0'; p++) {
        if (*p != '%') {
            luaL_addchar(out, *p);
            continue;
        }
        char letter = *++p;
        const char *inner = letter != '\0' && depth == 0 ? expansion(letter) : NULL;
        if (inner != NULL)
            add_format(L, out, inner, date, seconds, 1); /* one level, ours */
        else if (letter == '\0' || !add_letter(out, letter, date, seconds))
            luaL_error(L, "os.date: unknown letter '%%%c'", letter);
    }
}

int elg_sandbox_lib_date(lua_State *L)
{
    struct date date;
    luaL_Buffer out;
    const char *format = luaL_optstring(L, 1, "%c");
    double seconds = lua_isnoneornil(L, 2) ? (double)divide_down(now_ms(L), 1000)
                                           : floor(luaL_checknumber(L, 2));
    luaL_argcheck(L, seconds >= SECONDS_MIN && seconds <= SECONDS_MAX, 2,
                  "a time from the year 0 to 9999 is expected");
    if (*format == '!')
        format++; /* UTC, as everything is */
    date_of((int64_t)seconds, &date);
    if (strncmp(format, "*t", 2) == 0) {
        push_date(L, &date);
        return 1;
    }
    elg_sandbox_charge(L, DATE_UNITS * (1 + strlen(format)));
    luaL_buffinit(L, &out);
    add_format(L, &out, format, &date, (int64_t)seconds, 0);
    luaL_pushresult(&out);
    return 1;
}

int elg_sandbox_lib_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)now_ms(L) / 1000);
    return 1;
}

int elg_sandbox_lib_difftime(lua_State *L)
{
    lua_pushnumber(L, luaL_checknumber(L, 1) - luaL_optnumber(L, 2, 0));
    return 1;
}
