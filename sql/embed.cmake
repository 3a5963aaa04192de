# cmake -D OUT=migrations.cpp -D FOLDER=sql -P embed.cmake: the numbered files as one C++ source.
file(GLOB files "${FOLDER}/[0-9][0-9][0-9][0-9]_*.sql")
list(SORT files)

set(table "")
set(expected 1)
foreach(path IN LISTS files)
  get_filename_component(name "${path}" NAME_WE)
  string(SUBSTRING "${name}" 0 4 digits)
  string(REGEX REPLACE "^0+" "" version "${digits}")
  if(NOT version EQUAL expected)
    message(FATAL_ERROR "sql/: migration ${expected} is missing or stands twice (found ${name})")
  endif()
  math(EXPR expected "${expected} + 1")
  file(READ "${path}" sql)
  file(SHA256 "${path}" checksum)
  string(APPEND table "    {${version}, \"${name}\", \"${checksum}\", R\"certctl_sql(${sql})certctl_sql\"},\n")
endforeach()

file(WRITE "${OUT}" "#include \"core/db/migrator.hpp\"

namespace certctl::db {
namespace {

constexpr Migration kMigrations[] = {
${table}};

}  // namespace

std::span<const Migration> embedded_migrations() { return kMigrations; }

}  // namespace certctl::db
")
