# The names of streams, in the place of NAME in `duramen store DIR COMMAND NAME`.
_duramen_streams() {
    [[ $CURRENT -eq 5 && $words[2] == store && $PREFIX != -* ]] || return 1
    case $words[4] in
        COMMANDS) ;;
        *) return 1 ;;
    esac
    local dir=${(Q)words[3]}
    dir=${dir/#\~/$HOME}
    local -a names
    names=("${(@f)$(_call_program streams ${(q)${(Q)words[1]}} store ${(q)dir} list --names 2> /dev/null)}")
    names=("${(@)names:#}")
    _wanted streams expl stream compadd -a names
}
