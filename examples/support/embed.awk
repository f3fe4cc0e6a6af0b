# embed: the lines of a text as string literals, with commas between them, for the inside of a C array.
{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\\&")
    printf "\"%s\\n\",\n", $0
}
