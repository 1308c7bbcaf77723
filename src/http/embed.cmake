# Writes a C file that holds the bytes of another file.
#   cmake -DIN=<file> -DOUT=<file.c> -DNAME=<name> -P embed.cmake
# gives `const unsigned char <name>[]` and `const size_t <name>_bytes`.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," rows "${hex}")
string(REPLACE "0x0a," "0x0a,\n" rows "${rows}") # a line of text is a line of C
file(WRITE ${OUT}
  "#include <stddef.h>\n"
  "extern const unsigned char ${NAME}[];\n"
  "extern const size_t ${NAME}_bytes;\n"
  "const unsigned char ${NAME}[] = {\n${rows}\n};\n"
  "const size_t ${NAME}_bytes = ${bytes};\n")
