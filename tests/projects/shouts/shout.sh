# One argument: what to print.
case $1 in
    nothing) ;;
    gigabyte) yes "the quick brown fox jumps over the lazy dog, again and again" | head -c 1073741824 ;;
    line) head -c 10485760 /dev/zero | tr '\0' x ;;
    binary) head -c 65536 /dev/urandom ;;
    escapes) printf 'plain \033[31mred\033[0m \033]0;title\007 \033[2J bell\007 back\bspace\rreturn \302\233 c1 \342\200\256 reversed\n' ;;
    secret) echo "the password is ${PASSWORD-not set}" ;;
    *) echo "shout.sh: nothing called '$1'" >&2; exit 2 ;;
esac
