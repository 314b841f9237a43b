export type Shell = "bash" | "zsh" | "fish";

/**
 * The script for a shell. It holds no list of commands: it asks `ply __complete`, which answers from the commands'
 * own specs in some milliseconds, so that it never is out of date.
 */
export function completionScript(shell: Shell): string {
  return shell === "bash" ? BASH : shell === "zsh" ? ZSH : FISH;
}

// Bash breaks words at ':' and '='; what it takes for the words before is cut off the candidates again.
const BASH = `# bash completion for ply
_ply() {
  local line=\${COMP_LINE:0:COMP_POINT} words answer files="" word cur prefix IFS
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=\${words[-1]}
  prefix=\${cur%"\${COMP_WORDS[COMP_CWORD]}"}
  [[ \${COMP_WORDS[COMP_CWORD]} == [:=] ]] && prefix=$cur
  COMPREPLY=()
  mapfile -t answer < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  files=\${answer[0]}
  for word in "\${answer[@]:1}"; do
    word=\${word%%$'\\t'*}
    COMPREPLY+=("\${word#"$prefix"}")
  done
  case $files in
    :file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "\${cur#"$prefix"}") ;;
    :directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "\${cur#"$prefix"}") ;;
  esac
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
  return 0
}
complete -F _ply ply`;

const ZSH = `#compdef ply
# zsh completion for ply
_ply() {
  local -a answer candidates
  local files line word
  answer=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  files=$answer[1]
  for line in "\${(@)answer[2,-1]}"; do
    word=\${line%%$'\\t'*}
    if [[ $line == *$'\\t'* ]]; then
      candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
    else
      candidates+=("\${word//:/\\\\:}")
    fi
  done
  case $files in
    :file) _files ;;
    :directory) _files -/ ;;
    *) _describe -t words ply candidates ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _ply "$@"
else
  compdef _ply ply
fi`;

const FISH = `# fish completion for ply
function __ply_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answer ($words[1] __complete $words[2..-1] 2>/dev/null)
  switch $answer[1]
    case :file
      __fish_complete_path (commandline -ct)
    case :directory
      __fish_complete_directories (commandline -ct)
  end
  printf '%s\\n' $answer[2..-1]
end
complete -c ply -f -a '(__ply_complete)'`;
