namespace Paas.Corpus;

/// <summary>Keeps what a command prints and tells when a certain text was printed.</summary>
sealed class ExpectingWriter : StringWriter
{
    readonly string expected;
    readonly TaskCompletionSource seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ExpectingWriter(string expected)
    {
        this.expected = expected;
        NewLine = "\n";
    }

    public Task Seen => seen.Task;

    public override async Task WriteLineAsync(string? value)
    {
        await base.WriteLineAsync(value);
        if (value?.Contains(expected, StringComparison.Ordinal) is true)
        {
            seen.TrySetResult();
        }
    }
}
