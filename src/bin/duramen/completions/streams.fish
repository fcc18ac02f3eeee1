# The names of streams, in the place of NAME in `duramen store DIR COMMAND NAME`.
function __fish_duramen_needs_stream
    set -l words (commandline -opc)
    test (count $words) -eq 4
    and test $words[2] = store
    and contains -- $words[4] COMMANDS
end

function __fish_duramen_streams
    set -l words (commandline -opc)
    set -l dir (string replace -r '^~' $HOME -- $words[3])
    $words[1] store $dir list --names --prefix (commandline -ct) 2> /dev/null
end

complete -c duramen -n __fish_duramen_needs_stream -f -a '(__fish_duramen_streams)'
