/** Makes the completion of bash 3.2 and newer. */
import { type CommandNode, LISTS, listOf, nodesOf, type ShownOption, takesPath } from './command-tree.ts'

/** Returns the option's names as they are typed; an option with a value ends in `=`. */
function namesOf({ name, short, type }: ShownOption): string[] {
  return [`--${name}${type === 'flag' ? '' : '='}`, ...(short === undefined ? [] : [`-${short}`])]
}

/** Returns the names after which the next word is a value. */
function valued(options: readonly ShownOption[]): string[] {
  return options
    .filter(({ type }) => type !== 'flag')
    .flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])])
}

/** Returns lines of a `case` that set a variable by the words of the command. Commands without words are left out. */
function cases(
  nodes: readonly CommandNode[],
  variable: string,
  wordsOf: (node: CommandNode) => readonly string[],
): string {
  return nodes
    .flatMap((node) => {
      const words = wordsOf(node)
      return words.length === 0 ? [] : [`    '${node.path.join(' ')}') ${variable}='${words.join(' ')}' ;;`]
    })
    .join('\n')
}

/** Returns a script that bash sources. */
export function bashCompletion(program: CommandNode): string {
  const nodes = [...nodesOf(program)]
  const members = cases(nodes, 'members', (node) => node.members.map(({ path }) => path.at(-1) ?? ''))
  const options = cases(nodes, 'options', (node) => node.options.flatMap(namesOf))
  const values = cases(nodes, 'valued', (node) => valued(node.options))
  const paths = cases(nodes, 'paths', (node) => valued(node.options.filter(takesPath)))
  const lists = cases(nodes, 'list', (node) => [listOf(node) ?? []].flat())
  const names = Object.entries(LISTS).map(([list, words]) => `    ${list}) ostree-ts ${words} \${2:+--repo="$2"} ;;`)
  return `# Completion of ostree-ts for bash. Made from the tables of its options.

# Sets what may follow the words in $1: members, options, and options whose value is any text or a path.
_ostree_ts_describe() {
  members='' options='' valued='' paths='' list=''
  case $1 in
${members}
  esac
  case $1 in
${options}
  esac
  case $1 in
${values}
  esac
  case $1 in
${paths}
  esac
  case $1 in
${lists}
  esac
}

# Prints the names of a repository: $1 tells which, $2 is its path, or empty for the default one.
_ostree_ts_names() {
  case $1 in
${names.join('\n')}
  esac 2>/dev/null
}

_ostree_ts() {
  local members options valued paths list path='' word previous='' repo='' i
  local current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  _ostree_ts_describe ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # Bash splits --option=value into three words.
    if [ "$word" = '=' ]; then continue; fi
    if [ -n "$previous" ]; then
      case " $valued " in
        *" $previous "*)
          if [ "$previous" = '--repo' ]; then repo=$word; fi
          previous=''
          continue
          ;;
      esac
    fi
    previous=$word
    case $word in -*) continue ;; esac
    case " $members " in
      *" $word "*)
        path=\${path:+$path }$word
        _ostree_ts_describe "$path"
        ;;
    esac
  done
  if [ "$current" = '=' ]; then current=''; fi
  if [ -n "$previous" ]; then
    case " $valued " in
      *" $previous "*)
        case " $paths " in *" $previous "*) _ostree_ts_files "$current" ;; esac
        return
        ;;
    esac
  fi
  case $current in
    -*)
      COMPREPLY=($(compgen -W "$options" -- "$current"))
      case \${COMPREPLY[0]} in *=) compopt -o nospace 2>/dev/null ;; esac
      ;;
    *)
      if [ -n "$members" ]; then
        COMPREPLY=($(compgen -W "$members" -- "$current"))
      else
        _ostree_ts_files "$current"
        if [ -n "$list" ]; then _ostree_ts_add "$list" "$repo" "$current"; fi
      fi
      ;;
  esac
}

# Adds the names that begin as the current word does. Bash splits words at colons, and replaces only the last part.
_ostree_ts_add() {
  local word=$3 name i=$COMP_CWORD
  if [ "$word" = ':' ]; then i=$((i + 1)); word=''; fi
  while ((i >= 2)) && [ "\${COMP_WORDS[i - 1]}" = ':' ]; do
    word=\${COMP_WORDS[i - 2]}:$word
    i=$((i - 2))
  done
  while IFS= read -r name; do
    case $name in "$word"*) COMPREPLY+=("\${name#"\${word%"\${word##*:}"}"}") ;; esac
  done < <(_ostree_ts_names "$1" "$2")
}

_ostree_ts_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$1"))
}

complete -F _ostree_ts ostree-ts
`
}
