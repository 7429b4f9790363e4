#compdef berth
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh: completes berth. What there is to choose from, the command itself knows.

local -a lines candidates
local line

lines=("${(@f)$("$words[1]" complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
for line in $lines; do
  if [[ $line == :files ]]; then
    compset -P '--*='
    _files && return 0
  else
    candidates+=("${${line//:/\\:}/$'\t'/:}")
  fi
done
_describe -t berth 'berth' candidates
