using System.Runtime.CompilerServices;
using System.Text;

namespace Paas.Receiver.Logs;

/// <summary>
/// What one deployment says to its pusher: lines in a file, replayed from it and followed by any number of readers, at their own speed, in constant memory.
/// Known secret values are masked and control characters made harmless before a line is kept.
/// </summary>
/// <remarks>
/// A log has <see cref="MostBytes"/>. Once they are used up, of what a program prints only the last <see cref="LastLines"/> lines are kept, with the number of
/// those left out, whenever the receiver says something itself: its own lines are never left out.
/// </remarks>
sealed class LogStream : IDisposable
{
    /// <summary>Bytes of a log until its output is cut short.</summary>
    public const int MostBytes = 8 * 1024 * 1024;

    /// <summary>Lines that are kept of output beyond that.</summary>
    public const int LastLines = 200;

    /// <summary>Bytes that each step may still print at length in a log that is full.</summary>
    const int Allowance = 64 * 1024;

    const int LongestLine = 4096;
    const string Said = "       ";

    readonly Lock gate = new();
    readonly FileStream file;
    readonly List<string> masked = [];
    readonly Queue<string> held = [];

    // Lines that did not get into the file because its disk is full; readers that follow still get them.
    readonly List<string> beyond = [];
    TaskCompletionSource more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    long written;
    long room;
    long leftOut;
    bool diskIsFull;
    bool closed;

    LogStream(FileStream file)
    {
        this.file = file;
        written = file.Length;
        room = Math.Max(Allowance, MostBytes - written);
    }

    /// <summary>The file that keeps the lines (0600).</summary>
    public string Path => file.Name;

    /// <summary>Starts a log, or goes on with one that a former run of the receiver began.</summary>
    public static LogStream Open(string path)
    {
        var opened = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            BufferSize = 0,
        });
        EndLastLine(opened);
        return new LogStream(opened);
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

    /// <inheritdoc cref="Mask(string)"/>
    public void Mask(IEnumerable<string> secrets)
    {
        foreach (var secret in secrets)
        {
            Mask(secret);
        }
    }

    /// <summary><c>-----> text</c>: a step begins.</summary>
    public void Title(string text) => Say("-----> ", text);

    /// <summary><c>=====> text</c>: a major result.</summary>
    public void Result(string text) => Say("=====> ", text);

    /// <summary><c> !     text</c>: trouble.</summary>
    public void Trouble(string text) => Say(" !     ", text);

    /// <summary>Seven spaces and text: what the receiver adds to a title or a trouble.</summary>
    public void Detail(string text) => Say(Said, text);

    /// <summary>Adds text as it is; line breaks in it make several lines.</summary>
    public void Append(string text) => Say("", text);

    /// <summary>Seven spaces and a line that a program printed. Cut short where there is too much of it.</summary>
    public void Output(string line) => Print(Said + line);

    /// <summary>A line that a buildpack printed: many wear Heroku's dress already, and get no second one.</summary>
    public void Dressed(string line) => Print(
        line.StartsWith("-----> ", StringComparison.Ordinal) || line.StartsWith(Said, StringComparison.Ordinal) || line.StartsWith(" !     ", StringComparison.Ordinal) ? line : Said + line);

    void Print(string line)
    {
        lock (gate)
        {
            if (closed)
            {
                return;
            }

            if (room > 0)
            {
                Write(line);
                if (room <= 0)
                {
                    Write($"{Said}… more output than is kept; of what follows the last {LastLines} lines are");
                }

                return;
            }

            held.Enqueue(line);
            if (held.Count > LastLines)
            {
                held.Dequeue();
                leftOut++;
            }
        }
    }

    /// <summary>Replays from a line (0 = the first), then follows until the log is closed.</summary>
    public async IAsyncEnumerable<string> FollowAsync(int from = 0, [EnumeratorCancellation] CancellationToken ct = default)
    {
        using var reader = TryOpen();
        var seen = 0;
        var (read, taken) = (0L, 0);
        while (true)
        {
            var (end, rest, next) = Look(taken);
            if (reader is not null && read < end)
            {
                await foreach (var line in LinesAsync(reader, end - read, ct))
                {
                    if (seen++ >= from)
                    {
                        yield return line;
                    }
                }

                read = end;
            }

            foreach (var line in rest)
            {
                taken++;
                if (seen++ >= from)
                {
                    yield return line;
                }
            }

            if (next is null)
            {
                yield break;
            }

            await next.WaitAsync(ct);
        }
    }

    /// <summary>No more lines: followers come to their end.</summary>
    public void Close()
    {
        lock (gate)
        {
            if (!closed)
            {
                LetGo();
                closed = true;
                file.Dispose();
                more.TrySetResult();
            }
        }
    }

    public void Dispose() => Close();

    /// <summary>Text with its control characters (but tab) and its invalid code units replaced: an escape sequence must not reach a terminal.</summary>
    public static string Harmless(string text)
    {
        var cut = text.Length > LongestLine ? text[..LongestLine] + " …" : text;
        if (cut.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0 || !cut.Any(c => char.IsControl(c) || char.IsSurrogate(c) || ReadsOtherwise(c)))
        {
            return cut;
        }

        var clean = new StringBuilder(cut.Length);
        foreach (var rune in cut.EnumerateRunes())
        {
            clean.Append(rune.Value == '\t' ? "\t"
                : rune.Value == '\e' ? "␛"
                : Rune.IsControl(rune) || (rune.IsBmp && ReadsOtherwise((char)rune.Value)) ? "�"
                : rune.ToString());
        }

        return clean.ToString();
    }

    // Overrides, isolates and marks of direction can make a line read other than it is; so can line separators.
    static bool ReadsOtherwise(char c) => c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069') or '\u200E' or '\u200F' or '\u061C' or '\u2028' or '\u2029';

    /// <summary>A receiver that was killed, or a full disk, may have left half a line.</summary>
    static void EndLastLine(FileStream file)
    {
        if (file.Length > 0)
        {
            file.Position = file.Length - 1;
            if (file.ReadByte() != '\n')
            {
                file.WriteByte((byte)'\n');
            }
        }
    }

    /// <summary>Further lines of a text stand under its first.</summary>
    void Say(string mark, string text)
    {
        lock (gate)
        {
            if (!closed)
            {
                LetGo();
                foreach (var part in text.Split('\n'))
                {
                    Write(mark + part.TrimEnd('\r'));
                    mark = mark.Length == 0 ? mark : Said;
                }

                room = Math.Max(room, Allowance);
            }
        }
    }

    /// <summary>The end of an output that was cut short.</summary>
    void LetGo()
    {
        if (leftOut > 0)
        {
            Write($"{Said}… {leftOut:N0} lines left out");
            leftOut = 0;
        }

        while (held.TryDequeue(out var line))
        {
            Write(line);
        }
    }

    void Write(string text)
    {
        // Before it is cut or changed, else a part of a secret could stay.
        foreach (var secret in masked)
        {
            text = text.Replace(secret, "********", StringComparison.Ordinal);
        }

        var line = Harmless(text);
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        room -= bytes.Length;
        if (!diskIsFull)
        {
            try
            {
                file.Position = written;
                file.Write(bytes);
                written += bytes.Length;
            }
            catch (IOException)
            {
                // A full disk must not stop what the log only tells of.
                diskIsFull = true;
            }
        }

        if (diskIsFull)
        {
            beyond.Add(line);
        }

        more.TrySetResult();
    }

    /// <summary>What there is to read now, and what completes when there is more; null when there will be none.</summary>
    (long End, List<string> Beyond, Task? Next) Look(int taken)
    {
        lock (gate)
        {
            if (more.Task.IsCompleted && !closed)
            {
                more = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            return (written, beyond[taken..], closed ? null : more.Task);
        }
    }

    /// <summary>Null when the log was pruned meanwhile.</summary>
    FileStream? TryOpen()
    {
        try
        {
            return new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, useAsync: false);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The whole lines in the next bytes of the file.</summary>
    static async IAsyncEnumerable<string> LinesAsync(FileStream file, long bytes, [EnumeratorCancellation] CancellationToken ct)
    {
        var buffer = new byte[64 * 1024];
        var begun = new List<byte>();
        while (bytes > 0 && await file.ReadAsync(buffer.AsMemory(0, (int)Math.Min(bytes, buffer.Length)), ct) is > 0 and var read)
        {
            bytes -= read;
            var at = 0;
            while (buffer.AsSpan(at, read - at).IndexOf((byte)'\n') is >= 0 and var length)
            {
                begun.AddRange(buffer.AsSpan(at, length));
                yield return Encoding.UTF8.GetString(begun.ToArray());
                begun.Clear();
                at += length + 1;
            }

            begun.AddRange(buffer.AsSpan(at, read - at));
        }
    }
}
