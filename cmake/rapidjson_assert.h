/* RapidJSON's assertion throws instead of aborting. Included ahead of every file that uses RapidJSON, because a
 * function-like macro cannot be given on the command line. */
#ifdef __cplusplus
#include <stdexcept>
#define RAPIDJSON_ASSERT(x) ((x) ? (void)0 : throw ::std::logic_error("RapidJSON: " #x))
#endif
