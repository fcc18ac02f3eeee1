# The names of streams, in the place of NAME in `duramen store DIR COMMAND NAME`.
_duramen_streams() {
    local words cur dir name colons
    # Without -r, a backslash makes the next character one like any other.
    read -a words <<< "${COMP_LINE:0:COMP_POINT}x"
    [[ ${#words[@]} -eq 5 && ${words[1]} == store ]] || return 1
    case "${words[3]}" in
        COMMANDS) ;;
        *) return 1 ;;
    esac
    cur="${words[4]%x}"
    [[ "$cur" != -* ]] || return 1
    dir="${words[2]//[\"\']/}"
    case "$dir" in
        '~' | '~/'*) dir="$HOME${dir:1}" ;;
    esac
    # Where a colon ends a word, the shell replaces only what stands behind it.
    colons=""
    if [[ "$COMP_WORDBREAKS" == *:* && "$cur" == *:* ]]; then
        colons="${cur%"${cur##*:}"}"
    fi
    COMPREPLY=()
    while IFS= read -r name; do
        printf -v name '%q' "${name#"$colons"}"
        COMPREPLY+=("$name")
    done < <("$1" store "$dir" list --names --prefix "$cur" 2> /dev/null)
    [[ ${#COMPREPLY[@]} -gt 0 ]]
}
