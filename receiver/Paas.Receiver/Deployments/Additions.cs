using System.Text.Json;
using System.Text.Json.Serialization;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;
using Paas.Receiver.Storage;

namespace Paas.Receiver.Deployments;

/// <summary>What a release's own steps added to it through <c>common</c> (R14.3). Immutable.</summary>
sealed record Additions
{
    public static readonly Additions None = new();

    static readonly JsonSerializerOptions Compact = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    /// <summary>Variables; null takes one away.</summary>
    public IReadOnlyDictionary<string, string?>? Environment { get; init; }

    /// <summary>Process types beside, or in the place of, those that the tree declares.</summary>
    public IReadOnlyList<ProcessType>? Processes { get; init; }

    /// <summary>Archives beside the whole tree: a name, and what of the tree is in it.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>>? Archives { get; init; }

    public Launch AppliedTo(Launch launch)
    {
        if (Environment is null && Processes is null)
        {
            return launch;
        }

        return launch with { Environment = AppliedTo(launch.Environment), Types = TypesWith(launch.Types) };
    }

    public IReadOnlyList<ProcessType> TypesWith(IReadOnlyList<ProcessType> declared)
    {
        var own = (Processes ?? []).Select(type => type.Name).ToHashSet();
        return [.. declared.Where(type => !own.Contains(type.Name)), .. Processes ?? []];
    }

    public IReadOnlyDictionary<string, string> AppliedTo(IReadOnlyDictionary<string, string> environment)
    {
        if (Environment is null)
        {
            return environment;
        }

        var merged = new Dictionary<string, string>(environment);
        foreach (var (name, value) in Environment)
        {
            if (value is null)
            {
                merged.Remove(name);
            }
            else
            {
                merged[name] = value;
            }
        }

        return merged;
    }

    /// <summary>Each value that must not be readable in a log is masked in this one from now on.</summary>
    public void MaskIn(LogStream log)
    {
        foreach (var (name, value) in Environment ?? new Dictionary<string, string?>())
        {
            if (value is not null && Pillar.LooksSecret(name))
            {
                log.Mask(value);
            }
        }
    }

    /// <summary>Null for <see cref="None"/>.</summary>
    public string? ToJson() => JsonSerializer.Serialize(this, Compact) is var text and not "{}" ? text : null;

    public static Additions FromJson(string? text) => text is null ? None : JsonSerializer.Deserialize<Additions>(text, Compact)!;
}

/// <summary>The additions of every release, so that it is the same after a restart and when it comes back.</summary>
sealed class AdditionStore(Database database)
{
    public Additions Of(ReleaseId release) =>
        Additions.FromJson(database.ReadOne<string>("SELECT additions FROM release_additions WHERE release = @Id", new { Id = release.Value }));

    public void Keep(ReleaseId release, Additions additions)
    {
        if (additions.ToJson() is { } text)
        {
            database.Write("INSERT OR REPLACE INTO release_additions (release, additions) VALUES (@Id, @text)", new { Id = release.Value, text });
        }
        else
        {
            database.Write("DELETE FROM release_additions WHERE release = @Id", new { Id = release.Value });
        }
    }
}
