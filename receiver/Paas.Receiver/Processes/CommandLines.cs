namespace Paas.Receiver.Processes;

/// <summary>What processes were started with, to tell ours from whoever has been given the same number since.</summary>
static class CommandLines
{
    /// <summary>The words of a process; none when it is gone.</summary>
    public static IReadOnlyList<string> Of(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Split('\0');
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>True when a word of the process has this text in it, such as the path of a configuration that is ours alone.</summary>
    public static bool Names(int process, string text) => Of(process).Any(word => word.Contains(text, StringComparison.Ordinal));
}
