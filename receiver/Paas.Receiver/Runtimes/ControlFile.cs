using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Paas.Receiver.Runtimes;

/// <summary>
/// What is kept of one instance in its directory (0700, files 0600): <c>control.json</c> in the words of the supervisor protocol (reference 2.9),
/// and the same for a shell, <c>launch</c> and <c>command</c>. None of it outlives the instance, so none is flushed to disk.
/// </summary>
sealed record ControlFile
{
    const string Name = "control.json";

    [JsonPropertyName("instance_id")]
    public required string Instance { get; init; }

    [JsonPropertyName("command")]
    public required IReadOnlyList<string> Command { get; init; }

    [JsonPropertyName("cwd")]
    public required string Directory { get; init; }

    [JsonPropertyName("environment")]
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Good for one exit report (RT-17).</summary>
    [JsonPropertyName("exit_key")]
    public required string Key { get; init; }

    /// <summary>The receiver's, for the report.</summary>
    [JsonPropertyName("port")]
    public required int ReportPort { get; init; }

    [JsonPropertyName("log_file")]
    public required string LogFile { get; init; }

    [JsonPropertyName("pidfile")]
    public required string PidFile { get; init; }

    [JsonPropertyName("startflagfile")]
    public required string StartFlag { get; init; }

    /// <summary>What the protocol does not know and adoption needs.</summary>
    [JsonPropertyName("paas")]
    public required Identity Of { get; init; }

    /// <param name="Project"><c>env/name</c>.</param>
    /// <param name="Type">Null for what runs once.</param>
    /// <param name="Port">The application's own.</param>
    /// <param name="Log">The directory multilog writes to.</param>
    /// <param name="Runtime">The <see cref="IRuntime"/>'s name; null where the process listens itself.</param>
    /// <param name="Inside">The port inside its container; null for a process.</param>
    /// <param name="Supervisor">The program that watches it; null for our own.</param>
    public sealed record Identity(string Project, string Release, string? Type, int Number, int? Port, string Log, int? Inside = null, string? Runtime = null, string? Supervisor = null)
    {
        public bool IsContainer => Inside is not null;
    }

    public void Write(string directory)
    {
        WritePrivately(Path.Combine(directory, Name), JsonSerializer.Serialize(this));
        WritePrivately(Path.Combine(directory, "command"), CommandScript());
        WriteLaunch(directory);
    }

    /// <summary>The supervisor's settings alone; it reads them again before each report.</summary>
    public void WriteLaunch(string directory)
    {
        var path = Path.Combine(directory, "launch");
        WritePrivately(path + ".new", $"""
            id={Quoted(Instance)}
            key={Quoted(Key)}
            port={ReportPort}
            log={Quoted(Of.Log)}
            log_size={InstanceLogs.FileSize}
            log_files={InstanceLogs.Files}

            """);
        Storage.AtomicFile.Rename(path + ".new", path);
    }

    /// <summary>Null when there is none or it is cut off: then nothing was started from it that we know of.</summary>
    public static ControlFile? TryRead(string directory)
    {
        try
        {
            return JsonSerializer.Deserialize<ControlFile>(File.ReadAllText(Path.Combine(directory, Name)));
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Sourced by a shell that then becomes the instance. Each word quoted; the environment is exported, never an argument.</summary>
    string CommandScript()
    {
        var script = new StringBuilder();
        foreach (var (name, value) in Environment)
        {
            script.Append("export ").Append(name).Append('=').Append(Quoted(value)).Append('\n');
        }

        // A shell's background job ignores INT and QUIT, the supervisor HUP and PIPE: programs would inherit that.
        script.Append("cd ").Append(Quoted(Directory)).Append(" && exec /usr/bin/env --default-signal=HUP,INT,QUIT,PIPE /usr/bin/setsid");
        foreach (var word in Command)
        {
            script.Append(' ').Append(Quoted(word));
        }

        return script.Append('\n').ToString();
    }

    static string Quoted(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    public static void WritePrivately(string path, string text)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(Encoding.UTF8.GetBytes(text));
    }
}
