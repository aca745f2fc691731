/* dtoa: the only C++: exact conversions by Debian's double-conversion. Provides the two C
 * functions at the end of number.h. No allocation, no exception, no static state.
 */
#include "json/number.h"

#include <double-conversion/double-conversion.h>

using double_conversion::DoubleToStringConverter;
using double_conversion::StringBuilder;
using double_conversion::StringToDoubleConverter;

double elg__json_text_to_double(const char *text, size_t size)
{
    StringToDoubleConverter converter(StringToDoubleConverter::NO_FLAGS, 0.0, 0.0,
                                      nullptr, nullptr);
    int processed = 0;
    return converter.StringToDouble(text, static_cast<int>(size), &processed);
}

size_t elg__json_double_to_text(double number, char out[32])
{
    /* The constants are those of ECMA-262, Number::toString. */
    DoubleToStringConverter converter(
        DoubleToStringConverter::UNIQUE_ZERO |
            DoubleToStringConverter::EMIT_POSITIVE_EXPONENT_SIGN,
        "Infinity", "NaN", 'e', -6, 21, 6, 0);
    StringBuilder builder(out, 32);
    converter.ToShortest(number, &builder);
    return static_cast<size_t>(builder.position());
}
