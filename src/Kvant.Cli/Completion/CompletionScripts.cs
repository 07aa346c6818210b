namespace Kvant.Cli.Completion;

/// <summary>What shells run to complete command lines of <c>kvant</c>: each asks <c>kvant complete</c>, and offers files where it has no answer.</summary>
internal static class CompletionScripts
{
    /// <summary>The shells and their scripts.</summary>
    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string> { ["bash"] = Bash, ["zsh"] = Zsh, ["fish"] = Fish, ["pwsh"] = Pwsh };

    // bash cuts words at the signs of COMP_WORDBREAKS, so a spec is put together again from the line, and what bash already has of it is taken off the answers.
    private const string Bash = """
        _kvant() {
            local line=${COMP_LINE:0:COMP_POINT} answer kept= words
            read -ra words <<< "$line"
            [[ $line == *[[:space:]] ]] && words+=("")
            local last=$(( ${#words[@]} - 1 ))
            local current=${words[last]}
            [[ $current == *[:=]* ]] && kept=${current%"${current##*[:=]}"}
            COMPREPLY=()
            while IFS= read -r answer; do
                answer=${answer%%$'\t'*}
                COMPREPLY+=("${answer#"$kept"}")
            done < <("$1" complete -- "=$current" "${words[@]:1:last-1}" 2>/dev/null)
            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace 2>/dev/null
            return 0
        }
        complete -o default -F _kvant kvant

        """;

    private const string Zsh = """
        #compdef kvant
        _kvant() {
            local line word
            local -a whole wholeshown open openshown
            for line in "${(@f)$("${words[1]}" complete -- "=$PREFIX" "${(@)words[2,CURRENT-1]}" 2>/dev/null)}"; do
                word=${line%%$'\t'*}
                [[ -z $word ]] && continue
                if [[ $word == *[:=] ]]; then
                    open+=("$word"); openshown+=("${line/$'\t'/  -- }")
                else
                    whole+=("$word"); wholeshown+=("${line/$'\t'/  -- }")
                fi
            done
            if (( ${#whole} + ${#open} == 0 )); then
                _files
                return
            fi
            (( ${#whole} )) && compadd -l -d wholeshown -a whole
            (( ${#open} )) && compadd -l -S '' -d openshown -a open
            return 0
        }
        if (( ${+functions[compdef]} )); then
            compdef _kvant kvant
        fi
        [[ ${funcstack[1]} == _kvant ]] && _kvant "$@"

        """;

    private const string Fish = """
        function __kvant_complete
            set -l words (commandline -opc)
            set -l current (commandline -ct)
            set -l answers ($words[1] complete -- "=$current" $words[2..-1] 2>/dev/null)
            if test (count $answers) -gt 0
                printf '%s\n' $answers
            else
                __fish_complete_path "$current"
            end
        end
        complete -c kvant -f -a '(__kvant_complete)'

        """;

    private const string Pwsh = """
        Register-ArgumentCompleter -Native -CommandName kvant -ScriptBlock {
            param($wordToComplete, $commandAst, $cursorPosition)
            $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
            $program = $commandAst.CommandElements[0].ToString()
            $arguments = @('complete', '--', "=$wordToComplete") + @($words | Select-Object -Skip 1)
            & $program @arguments 2>$null | ForEach-Object {
                $word, $summary = $_ -split "`t", 2
                [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $(if ($summary) { $summary } else { $word }))
            }
        }

        """;
}
