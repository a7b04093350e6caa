set -eu
echo "moving the data to its new form"
cd "$PAAS_DATA_DIR"
for file in *; do
    if [ -f "$file" ]; then
        printf 'spoiled\n' > "$file"
    fi
done
mkdir -p half-way
printf 'half a new form\n' > half-way/new
rm -f precious
echo "the new form does not fit" >&2
exit 4
