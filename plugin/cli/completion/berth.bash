# SPDX-License-Identifier: LGPL-2.1-or-later
# bash: completes berth. What there is to choose from, the command itself knows.
# shellcheck shell=bash

_berth() {
  local rest=${COMP_LINE:0:COMP_POINT} words=() word candidate cut
  # bash parts words at = and :, too (COMP_WORDBREAKS); berth wants them whole
  for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ -n $word && ${#words[@]} -gt 0 && $rest == "$word"* ]]; then
      words[-1]+=$word
    else
      rest=${rest#"${rest%%[![:space:]]*}"}
      words+=("$word")
    fi
    rest=${rest#"$word"}
  done
  # and replaces only what follows the last of them
  cut=${words[-1]%"${words[-1]##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    if [[ $candidate == :files ]]; then
      compopt -o default
    else
      COMPREPLY+=("${candidate#"$cut"}")
    fi
  done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
}
complete -F _berth berth
