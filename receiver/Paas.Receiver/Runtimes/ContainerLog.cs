using System.Globalization;
using System.Text;
using Paas.Receiver.Containers;
using Paas.Receiver.Processes;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// Carries what a container prints from the engine into a log directory like every other instance's, each line with the engine's own time for it. After the receiver was
/// away it goes on behind the last line that is there, so that no line is lost and none comes twice.
/// </summary>
sealed class ContainerLog(Engine engine, string container, string directory, TimeProvider time)
{
    const long TaiEpoch = 1L << 62;
    const int TaiAhead = 10;

    /// <summary>Between attempts while the engine is away, or while the log still belongs to the writer of a receiver that has just ended.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>Until the container has ended and all it printed is written.</summary>
    public async Task CarryAsync(Func<bool> ended, CancellationToken ct)
    {
        var since = LastTime();
        while (true)
        {
            // multilog is alone in its directory, and the last one may still be writing down what it was given.
            await using var writer = new Command("multilog", $"s{InstanceLogs.FileSize}", $"n{InstanceLogs.Files}", directory) { OwnGroup = true }.Start();
            var last = ended();
            try
            {
                since = await CarryAsync(writer.Input, since, ct);
            }
            catch (Exception e) when (e is IOException or HttpRequestException && !ct.IsCancellationRequested)
            {
                last &= e is EngineException { IsMissing: true } || ended();
            }
            finally
            {
                try
                {
                    writer.Input.Close();
                }
                catch (IOException)
                {
                    // It did not take what was left for it; then it has ended.
                }
            }

            var refused = await writer.WaitAsync(CancellationToken.None) != 0;
            if ((last || ended()) && !refused)
            {
                return;
            }

            await Task.Delay(Pause, time, ct);
        }
    }

    async Task<Stamp?> CarryAsync(Stream to, Stamp? since, CancellationToken ct)
    {
        var (output, error) = (new Lines(), new Lines());
        await foreach (var piece in engine.OutputAsync(container, since?.Next, times: true, ct))
        {
            foreach (var (stamp, text) in (piece.IsError ? error : output).Add(piece.Bytes.Span))
            {
                await to.WriteAsync(Encoding.UTF8.GetBytes($"{stamp.Tai} {text}\n"), ct);
                since = stamp;
            }

            await to.FlushAsync(ct);
        }

        return since;
    }

    /// <summary>Of the newest line in the log; null when there is none.</summary>
    Stamp? LastTime()
    {
        foreach (var file in (string[])[Path.Combine(directory, "current"), .. Directory.GetFiles(directory, "@*").OrderDescending()])
        {
            if (File.Exists(file) && File.ReadLines(file).Select(Stamp.OfTai).LastOrDefault(stamp => stamp is not null) is { } last)
            {
                return last;
            }
        }

        return null;
    }

    /// <summary>A time as the engine and multilog each write it.</summary>
    sealed record Stamp(long Seconds, int Nanoseconds)
    {
        public string Tai => string.Create(CultureInfo.InvariantCulture, $"@{TaiEpoch + Seconds + TaiAhead:x16}{Nanoseconds:x8}");

        /// <summary>The engine's <c>since</c> begins with that very moment.</summary>
        public string Next => Nanoseconds == 999_999_999 ? $"{Seconds + 1}.000000000" : string.Create(CultureInfo.InvariantCulture, $"{Seconds}.{Nanoseconds + 1:d9}");

        public static Stamp? OfTai(string line) =>
            line.Length > 25 && line[0] == '@' && long.TryParse(line.AsSpan(1, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var seconds)
            && int.TryParse(line.AsSpan(17, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var nanoseconds)
                ? new Stamp(seconds - TaiEpoch - TaiAhead, nanoseconds) : null;

        /// <param name="text"><c>2026-11-21T16:17:55.123456789Z</c>; the engine leaves zeros at the end away.</param>
        public static Stamp? OfEngine(string text)
        {
            if (text.Length < 20 || !DateTimeOffset.TryParseExact(
                text[..19], "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var second))
            {
                return null;
            }

            var digits = new string(text[19..].TrimStart('.').TakeWhile(char.IsAsciiDigit).Take(9).ToArray()).PadRight(9, '0');
            return new Stamp(second.ToUnixTimeSeconds(), int.Parse(digits, CultureInfo.InvariantCulture));
        }
    }

    /// <summary>One of the two outputs, put together from pieces: the engine cuts lines over 16 KiB and begins each part with the time again.</summary>
    sealed class Lines
    {
        readonly List<byte> held = [];

        public IEnumerable<(Stamp Stamp, string Text)> Add(ReadOnlySpan<byte> bytes)
        {
            var whole = new List<(Stamp, string)>();
            foreach (var b in bytes)
            {
                if (b != '\n' && held.Count < 2 * LineReader.Longest)
                {
                    held.Add(b);
                    continue;
                }

                if (Told(Encoding.UTF8.GetString([.. held])) is { } line)
                {
                    whole.Add(line);
                }

                held.Clear();
                if (b != '\n')
                {
                    held.Add(b);
                }
            }

            return whole;
        }

        static (Stamp, string)? Told(string line) =>
            line.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space && Stamp.OfEngine(line[..space]) is { } stamp ? (stamp, line[(space + 1)..]) : null;
    }
}
