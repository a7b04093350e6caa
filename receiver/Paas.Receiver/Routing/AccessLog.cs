using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;

namespace Paas.Receiver.Routing;

/// <summary>How a line of the access log is written.</summary>
enum AccessLogFormat
{
    Off,

    /// <summary>NCSA's: visitor, user, time, request, status, bytes.</summary>
    Common,

    /// <summary>The same with referrer and user agent.</summary>
    Combined,

    /// <summary>An object a line.</summary>
    Json,
}

/// <summary>One answer, as it is logged.</summary>
readonly record struct Visit(
    DateTimeOffset Time, string? Key, IPAddress Visitor, string? Authorization, string Method, string Target, string Protocol, string Host,
    int Status, long Bytes, TimeSpan Took, string? Referrer, string? Agent, bool Tls);

/// <summary>
/// Writes a line for every answer to <c>&lt;directory&gt;/&lt;env&gt;/&lt;project&gt;/access.log</c> (what is nobody's to <c>&lt;directory&gt;/access.log</c>), rotated by size. Whoever visits never waits for it:
/// when the disk is slower than the visitors, lines are left out and counted in the log itself.
/// </summary>
sealed partial class AccessLog : IAsyncDisposable
{
    /// <summary>Files kept beside the current one.</summary>
    public const int Files = 4;

    const int MostWaiting = 16 * 1024;
    const int MostOpen = 64;

    static readonly TimeSpan ComplainEvery = TimeSpan.FromMinutes(1);
    static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly string directory;
    readonly AccessLogFormat format;
    readonly long fileSize;
    readonly TimeProvider time;
    readonly ILogger log;
    readonly Channel<Visit> waiting = Channel.CreateBounded<Visit>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    readonly Dictionary<string, FileStream> open = [];

    /// <summary>Held while files change their names, and while they are opened by them.</summary>
    readonly Lock renaming = new();
    readonly ArrayBufferWriter<byte> line = new(1024);
    readonly Task writing;
    long leftOut;
    long complained;

    public AccessLog(string directory, AccessLogFormat format, TimeProvider time, ILogger log, long fileSize = 10 * 1024 * 1024)
    {
        (this.directory, this.format, this.time, this.log, this.fileSize) = (directory, format, time, log, fileSize);
        writing = Task.Run(WriteAsync);
    }

    public bool IsOn => format != AccessLogFormat.Off;

    /// <summary>Where a project's lines are.</summary>
    public static string FileOf(string directory, string? projectKey) => Path.Combine(directory, projectKey ?? "", "access.log");

    public void Add(in Visit visit)
    {
        if (!waiting.Writer.TryWrite(visit))
        {
            Interlocked.Increment(ref leftOut);
        }
    }

    /// <summary>The newest lines of a project, oldest first.</summary>
    public IReadOnlyList<string> Last(string projectKey, int count)
    {
        var lines = new List<string>();
        foreach (var file in Opened(projectKey))
        {
            using var reader = new StreamReader(file);
            if (lines.Count < count)
            {
                lines.InsertRange(0, LinesOf(reader).TakeLast(count - lines.Count));
            }
        }

        return lines;
    }

    static IEnumerable<string> LinesOf(StreamReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    /// <summary>The newest first. What is open stays readable whatever its name becomes.</summary>
    List<FileStream> Opened(string projectKey)
    {
        lock (renaming)
        {
            return [.. Enumerable.Range(0, Files + 1)
                .Select(i => FileOf(directory, projectKey) + (i == 0 ? "" : $".{i}"))
                .Where(File.Exists)
                .Select(file => new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))];
        }
    }

    /// <summary>Writes what waits, then ends.</summary>
    public async ValueTask DisposeAsync()
    {
        waiting.Writer.TryComplete();
        await writing;
    }

    async Task WriteAsync()
    {
        while (await waiting.Reader.WaitToReadAsync())
        {
            var touched = new HashSet<string>(StringComparer.Ordinal);
            while (waiting.Reader.TryRead(out var visit))
            {
                try
                {
                    touched.Add(Write(visit));
                }
                catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
                {
                    Complain(trouble);
                }
            }

            foreach (var path in touched)
            {
                try
                {
                    await open[path].FlushAsync();
                }
                catch (IOException trouble)
                {
                    Complain(trouble);
                }
            }

            CloseSome();
        }

        foreach (var file in open.Values)
        {
            await CloseAsync(file);
        }
    }

    string Write(in Visit visit)
    {
        var project = ProjectOf(visit.Key);
        var path = FileOf(directory, project);
        if (!open.TryGetValue(path, out var file))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            file = open[path] = Open(path);
        }

        if (file.Length > fileSize)
        {
            file.Dispose();
            open.Remove(path);
            lock (renaming)
            {
                Rotate(path);
            }

            file = open[path] = Open(path);
        }

        if (Interlocked.Exchange(ref leftOut, 0) is > 0 and var missing)
        {
            file.Write(Encoding.UTF8.GetBytes(format == AccessLogFormat.Json ? $"{{\"leftOut\":{missing}}}\n" : $"# {missing} lines left out\n"));
        }

        line.ResetWrittenCount();
        if (format == AccessLogFormat.Json)
        {
            WriteJson(visit);
        }
        else
        {
            WriteText(visit);
        }

        file.Write(line.WrittenSpan);
        return path;
    }

    static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 64 * 1024,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    static void Rotate(string path)
    {
        File.Delete($"{path}.{Files}");
        for (var i = Files - 1; i >= 0; i--)
        {
            var from = i == 0 ? path : $"{path}.{i}";
            if (File.Exists(from))
            {
                Storage.AtomicFile.Rename(from, $"{path}.{i + 1}");
            }
        }
    }

    void CloseSome()
    {
        while (open.Count > MostOpen)
        {
            var (path, file) = open.First();
            open.Remove(path);
            file.Dispose();
        }
    }

    async Task CloseAsync(FileStream file)
    {
        try
        {
            await file.DisposeAsync();
        }
        catch (IOException trouble)
        {
            Complain(trouble);
        }
    }

    void Complain(Exception trouble)
    {
        var now = time.GetTimestamp();
        if (complained == 0 || time.GetElapsedTime(complained, now) > ComplainEvery)
        {
            complained = now;
            Log.NotWritten(log, trouble.Message);
        }
    }

    void WriteText(in Visit visit)
    {
        Text($"{visit.Visitor} - {Harmless(UserOf(visit.Authorization) ?? "-")} [{visit.Time.UtcDateTime.ToString("dd/MMM/yyyy:HH:mm:ss", CultureInfo.InvariantCulture)} +0000] ");
        Text($"\"{Harmless(visit.Method)} {Harmless(visit.Target)} {visit.Protocol}\" {visit.Status} {(visit.Bytes > 0 ? visit.Bytes.ToString(CultureInfo.InvariantCulture) : "-")}");
        if (format == AccessLogFormat.Combined)
        {
            Text($" \"{Harmless(visit.Referrer ?? "-")}\" \"{Harmless(visit.Agent ?? "-")}\"");
        }

        Text("\n");
    }

    void WriteJson(in Visit visit)
    {
        using (var writer = new Utf8JsonWriter(line, Plain))
        {
            writer.WriteStartObject();
            writer.WriteString("time", visit.Time.UtcDateTime);
            writer.WriteString("visitor", visit.Visitor.ToString());
            Optional(writer, "user", UserOf(visit.Authorization));
            writer.WriteString("method", visit.Method);
            writer.WriteString("host", visit.Host);
            writer.WriteString("target", visit.Target);
            writer.WriteString("protocol", visit.Protocol);
            writer.WriteNumber("status", visit.Status);
            writer.WriteNumber("bytes", visit.Bytes);
            writer.WriteNumber("milliseconds", Math.Round(visit.Took.TotalMilliseconds, 3));
            Optional(writer, "route", visit.Key);
            Optional(writer, "referrer", visit.Referrer);
            Optional(writer, "agent", visit.Agent);
            writer.WriteBoolean("tls", visit.Tls);
            writer.WriteEndObject();
        }

        Text("\n");
    }

    static void Optional(Utf8JsonWriter writer, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            writer.WriteString(name, value);
        }
    }

    void Text(string text) => Encoding.UTF8.GetBytes(text, line);

    // A visitor chooses these words: none may end a field or a line, or move a terminal's cursor.
    static string Harmless(string text) =>
        text.AsSpan().ContainsAnyExceptInRange(' ', '~') || text.AsSpan().ContainsAny('"', '\\')
            ? string.Concat(text.Select(c => c is >= ' ' and <= '~' and not ('"' or '\\') ? c.ToString() : $"\\x{(int)c:x2}"))
            : text;

    static string? UserOf(string? authorization)
    {
        var bytes = new byte[1024];
        return authorization is { Length: < 1024 } && authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)
            && Convert.TryFromBase64String(authorization["Basic ".Length..].Trim(), bytes, out var length)
            && Encoding.UTF8.GetString(bytes, 0, length).Split(':') is [{ Length: > 0 } user, ..]
            ? user.Replace(' ', '_') : null;
    }

    static string? ProjectOf(string? key)
    {
        var end = key is null ? -1 : key.IndexOf('/', key.IndexOf('/', StringComparison.Ordinal) + 1);
        return end < 0 ? null : key![..end];
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "The access log cannot be written: {Reason}")]
        public static partial void NotWritten(ILogger logger, string reason);
    }
}

/// <summary>How long an answer's body became whose length nobody announced.</summary>
sealed class BodyCount
{
    public long Bytes { get; set; }
}
