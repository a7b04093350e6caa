using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;

namespace Paas.Receiver.Logs;

/// <summary>
/// What one deployment says to its pusher: numbered lines, kept in a file, replayed and followed by any number of readers.
/// Control characters are made harmless and known secret values are masked before a line is kept.
/// </summary>
sealed class LogStream : IDisposable
{
    const int LongestLine = 4096;

    readonly Lock gate = new();
    readonly FileStream file;
    readonly List<string> masked = [];
    readonly List<Channel<string>> followers = [];
    readonly List<string> lines = [];
    bool closed;

    LogStream(FileStream file) => this.file = file;

    /// <summary>The file that keeps the lines (0600).</summary>
    public string Path => file.Name;

    /// <summary>Starts a log, or goes on with one that a former run of the receiver began.</summary>
    public static LogStream Open(string path)
    {
        var earlier = File.Exists(path) ? File.ReadAllLines(path) : [];
        var log = new LogStream(new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }));
        log.lines.AddRange(earlier);
        return log;
    }

    /// <summary>From now on this value reads as stars. Values under four characters would mask half the text and are left.</summary>
    public void Mask(string secret)
    {
        if (secret.Length >= 4)
        {
            lock (gate)
            {
                masked.Add(secret);
                masked.Sort((a, b) => b.Length - a.Length);
            }
        }
    }

    /// <summary><c>-----> text</c>: a step begins.</summary>
    public void Title(string text) => Append("-----> " + text);

    /// <summary><c>=====> text</c>: a major result.</summary>
    public void Result(string text) => Append("=====> " + text);

    /// <summary>Seven spaces and text: what a step says.</summary>
    public void Detail(string text) => Append("       " + text);

    /// <summary><c> !     text</c>: trouble.</summary>
    public void Trouble(string text) => Append(" !     " + text);

    /// <summary>Adds text as it is; line breaks in it make several lines.</summary>
    public void Append(string text)
    {
        foreach (var part in text.Split('\n'))
        {
            AppendLine(Harmless(part.TrimEnd('\r')));
        }
    }

    /// <summary>Replays from a line (0 = the first), then follows until the log is closed.</summary>
    public async IAsyncEnumerable<string> FollowAsync(int from = 0, [EnumeratorCancellation] CancellationToken ct = default)
    {
        List<string> earlier;
        Channel<string>? follower = null;
        lock (gate)
        {
            earlier = lines.Skip(from).ToList();
            if (!closed)
            {
                follower = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true });
                followers.Add(follower);
            }
        }

        foreach (var line in earlier)
        {
            yield return line;
        }

        if (follower is null)
        {
            yield break;
        }

        try
        {
            await foreach (var line in follower.Reader.ReadAllAsync(ct))
            {
                yield return line;
            }
        }
        finally
        {
            lock (gate)
            {
                followers.Remove(follower);
            }
        }
    }

    /// <summary>No more lines: followers come to their end.</summary>
    public void Close()
    {
        lock (gate)
        {
            if (!closed)
            {
                closed = true;
                followers.ForEach(follower => follower.Writer.Complete());
                file.Dispose();
            }
        }
    }

    public void Dispose() => Close();

    /// <summary>Text with its control characters (but tab) and its invalid code units replaced: an escape sequence must not reach a terminal.</summary>
    public static string Harmless(string text)
    {
        var cut = text.Length > LongestLine ? text[..LongestLine] + " …" : text;
        if (!cut.Any(c => char.IsControl(c) || char.IsSurrogate(c) || IsBidirectional(c)))
        {
            return cut;
        }

        var clean = new StringBuilder(cut.Length);
        foreach (var rune in cut.EnumerateRunes())
        {
            clean.Append(rune.Value == '\t' ? "\t"
                : rune.Value == '\e' ? "␛"
                : Rune.IsControl(rune) || (rune.IsBmp && IsBidirectional((char)rune.Value)) ? "�"
                : rune.ToString());
        }

        return clean.ToString();
    }

    // Overrides and isolates can make a line read other than it is.
    static bool IsBidirectional(char c) => c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    void AppendLine(string line)
    {
        lock (gate)
        {
            if (closed)
            {
                return;
            }

            foreach (var secret in masked)
            {
                line = line.Replace(secret, "********", StringComparison.Ordinal);
            }

            lines.Add(line);
            try
            {
                file.Write(Encoding.UTF8.GetBytes(line + "\n"));
                file.Flush();
            }
            catch (IOException)
            {
                // A full disk must not stop what the log only tells of; readers that follow still get the line.
            }

            followers.ForEach(follower => follower.Writer.TryWrite(line));
        }
    }
}
