# Completion of openpr-webhook for bash.  Verbs and options are asked of the program, so that they are never stale;
# so are the runs and events that a verb wants, where this user may ask for them.

_openpr_webhook() {
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} verb='' config=() words='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config)
			((i++))
			config=(--config "${COMP_WORDS[i]}")
			;;
		-*) ;;
		*) verb=${verb:-${COMP_WORDS[i]}} ;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-c | --config)
		compopt -o default 2>/dev/null
		return
		;;
	esac
	case $word,$verb in
	-*,) words='--config --help --version' ;;
	-*) words="--config --help $("$program" "$verb" --help 2>/dev/null | sed -n 's/^  \(--[a-z]*\).*/\1/p')" ;;
	*,) words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p') ;;
	*,show | *,cancel | *,retry)
		words=$("$program" "${config[@]}" runs --json 2>/dev/null | grep -o '"run_id": *"[^"]*"' | cut -d'"' -f4)
		;;
	*,release)
		words=$("$program" "${config[@]}" events --json 2>/dev/null | grep -o '"event_id": *"[^"]*"' | cut -d'"' -f4)
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _openpr_webhook openpr-webhook
