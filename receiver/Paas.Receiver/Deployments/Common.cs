using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Paas.Receiver.Logs;
using Paas.Receiver.Manifests;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Deployments;

/// <summary>
/// The one mapping that all steps of a deployment share (R14.2, R14.3): the configuration and where everything is. Each step finds it in the file that <c>PAAS_COMMON</c>
/// names and may change it; what it changed is said in the log and is what the later steps find.
/// </summary>
/// <remarks>
/// Every step gets the file in a directory of its own: whatever a step left in the place of its file, a later one is not written through it, and it is read back as
/// distrustfully as a file of a repository.
/// </remarks>
sealed class Common(Project project, ReleaseId deployment, Pillar pillar, LogStream log)
{
    /// <summary>The name of the file in each step's directory.</summary>
    const string FileName = "common.json";

    const int MostChangesSaid = 20;
    const int LongestShown = 200;

    static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Made when the first step wants it: a project without hooks pays nothing.
    JsonObject? document;
    int given;

    /// <summary>Below <c>build/</c>, for as long as the deployment runs.</summary>
    public static string HomeOf(Project project, ReleaseId deployment) => Path.Combine(project.Build, deployment.Value + ".common");

    /// <summary>What the steps so far added to the release.</summary>
    public Additions Additions { get; private set; } = Additions.None;

    /// <summary>The configuration with what the steps added to the environment.</summary>
    public Pillar Pillar => pillar with { Environment = Additions.AppliedTo(pillar.Environment) };

    /// <summary>Facts that become known on the way: <c>release</c>, <c>commit</c>.</summary>
    public void Tell(string name, JsonNode? value) => Document[name] = value;

    /// <summary>The document for one step. Returns the directory, which the step may write to, and the file in it.</summary>
    public (string Directory, string File) HandOut(string step)
    {
        Document["step"] = step;
        var directory = Path.Combine(HomeOf(project, deployment), (++given).ToString("00", CultureInfo.InvariantCulture));
        Directory.CreateDirectory(directory);
        var file = Path.Combine(directory, FileName);
        using var writer = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        writer.Write(JsonSerializer.SerializeToUtf8Bytes(Document, Readable));
        return (directory, file);
    }

    /// <summary>What the step made of it.</summary>
    /// <exception cref="Refusal">It is not what the later steps could use; says why.</exception>
    public void TakeBack(string step, string directory)
    {
        var text = ProjectFile.Read(directory, FileName)?.Text ?? throw new Refusal($".paas/hooks/{step} removed the file that PAAS_COMMON names");
        JsonObject changed;
        try
        {
            changed = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = 50, AllowDuplicateProperties = false }) as JsonObject
                ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new Refusal($".paas/hooks/{step} left no JSON object in the file that PAAS_COMMON names: {e.Message}");
        }

        if (JsonNode.DeepEquals(changed, Document))
        {
            return;
        }

        var additions = AdditionsIn(changed, step);
        additions.MaskIn(log);
        Say(step, changed);
        document = changed;
        Additions = additions;
    }

    /// <summary>No further step: what served the steps goes.</summary>
    public static void Clear(Project project, ReleaseId deployment)
    {
        var home = HomeOf(project, deployment);
        if (Directory.Exists(home))
        {
            Directory.Delete(home, recursive: true);
        }
    }

    JsonObject Document => document ??= Beginning();

    // The configuration's own keys, over them makina-states' names for where things are (reference 2.2).
    JsonObject Beginning()
    {
        var all = JsonObject.Create(pillar.Document) ?? [];
        all = (JsonObject)all.DeepClone();
        var environment = new JsonObject();
        foreach (var (name, value) in pillar.Environment)
        {
            environment[name] = value;
        }

        all["env"] = environment;
        all["processes"] ??= new JsonObject();
        all["archives"] ??= new JsonObject();
        all["name"] = project.Name.Value;
        all["environment"] = project.Environment.Name.Value;
        all["default_env"] = project.Environment.Type.ToString().ToLowerInvariant();
        all["deployment"] = deployment.Value;
        all["project_dir"] = project.Directory;
        all["project_root"] = project.Run;
        all["run_root"] = project.Run;
        all["data_root"] = project.Data;
        all["build_root"] = project.Build;
        all["deploy_root"] = project.Deploy;
        all["releases_root"] = project.Releases;
        all["archives_root"] = project.Archives;
        all["current_archive_dir"] = Path.Combine(project.Archives, deployment.Value);
        return all;
    }

    Additions AdditionsIn(JsonObject changed, string step)
    {
        var mistakes = new List<string>();
        var additions = new Additions
        {
            Environment = EnvironmentIn(changed["env"], mistakes),
            Processes = ProcessesIn(changed["processes"], mistakes),
            Archives = ArchivesIn(changed["archives"], mistakes),
        };
        return mistakes.Count == 0 ? additions : throw new Refusal($".paas/hooks/{step} left in PAAS_COMMON:\n{string.Join('\n', mistakes.Select(mistake => "  " + LogStream.Harmless(mistake)))}");
    }

    Dictionary<string, string?>? EnvironmentIn(JsonNode? node, List<string> mistakes)
    {
        if (node is not JsonObject environment)
        {
            mistakes.Add("env: an object was expected");
            return null;
        }

        var changes = new Dictionary<string, string?>();
        foreach (var (name, value) in environment)
        {
            var text = value is JsonValue single ? single.GetValueKind() == JsonValueKind.String ? single.GetValue<string>() : single.ToJsonString() : value is null ? "" : null;
            if (!Cage.IsVariableName(name) || text is null || text.Contains('\0', StringComparison.Ordinal))
            {
                mistakes.Add($"env.{name}: a variable's name and a single value were expected");
            }
            else if (name is "PORT" || name.StartsWith("PAAS_", StringComparison.Ordinal) || name.StartsWith("PM_", StringComparison.Ordinal) || name.StartsWith("PAASTA_", StringComparison.Ordinal))
            {
                mistakes.Add($"env.{name}: is given by the receiver and cannot be set");
            }
            else if (!pillar.Environment.TryGetValue(name, out var known) || known != text)
            {
                changes[name] = text;
            }
        }

        foreach (var name in pillar.Environment.Keys.Where(name => !environment.ContainsKey(name)))
        {
            changes[name] = null;
        }

        return changes.Count > 0 ? changes : null;
    }

    static List<ProcessType>? ProcessesIn(JsonNode? node, List<string> mistakes)
    {
        var types = new List<ProcessType>();
        foreach (var (name, value) in node as JsonObject ?? [])
        {
            var command = value is JsonValue ? AsText(value) : AsText((value as JsonObject)?["command"]);
            var quantity = (value as JsonObject)?["quantity"] is JsonValue number && number.TryGetValue<int>(out var given) ? given : 1;
            if (!ProjectName.IsLabel(name) || string.IsNullOrWhiteSpace(command) || quantity is < 0 or > 1000)
            {
                mistakes.Add($"processes.{name}: a process type's name with a command, or with {{\"command\": …, \"quantity\": …}}, was expected");
                continue;
            }

            types.Add(new ProcessType(name, command, quantity, name == "web"));
        }

        if (node is not (null or JsonObject))
        {
            mistakes.Add("processes: an object was expected");
        }

        return types.Count > 0 ? types : null;
    }

    static Dictionary<string, IReadOnlyList<string>>? ArchivesIn(JsonNode? node, List<string> mistakes)
    {
        var archives = new Dictionary<string, IReadOnlyList<string>>();
        foreach (var (name, value) in node as JsonObject ?? [])
        {
            if (!ProjectName.IsLabel(name) || value is not JsonArray { Count: > 0 } patterns || patterns.Any(pattern => AsText(pattern) is not { } text || !Paas.Receiver.Archives.DataPatterns.IsPattern(text)))
            {
                mistakes.Add($"archives.{name}: a name with a list of what goes into it was expected");
                continue;
            }

            archives[name] = [.. patterns.Select(pattern => AsText(pattern)!)];
        }

        if (node is not (null or JsonObject))
        {
            mistakes.Add("archives: an object was expected");
        }

        return archives.Count > 0 ? archives : null;
    }

    static string? AsText(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    void Say(string step, JsonObject changed)
    {
        var changes = Changes(Document, changed, "").ToList();
        log.Detail($"{step} changed common: {changes.Count} value{(changes.Count == 1 ? "" : "s")}");
        foreach (var change in changes.Take(MostChangesSaid))
        {
            log.Detail("  " + change);
        }

        if (changes.Count > MostChangesSaid)
        {
            log.Detail($"  and {changes.Count - MostChangesSaid} more");
        }
    }

    static IEnumerable<string> Changes(JsonObject before, JsonObject after, string path)
    {
        foreach (var name in before.Select(one => one.Key).Concat(after.Select(one => one.Key)).Distinct())
        {
            var (one, other) = (before[name], after[name]);
            var where = path.Length == 0 ? name : $"{path}.{name}";
            if (other is JsonObject { Count: > 0 } outer && one is JsonObject or null)
            {
                // A whole new object leaf by leaf as well: a secret in it is known by its own name.
                foreach (var change in Changes(one as JsonObject ?? [], outer, where))
                {
                    yield return change;
                }
            }
            else if (!after.ContainsKey(name))
            {
                yield return $"{where} is gone";
            }
            else if (!before.ContainsKey(name) || !JsonNode.DeepEquals(one, other))
            {
                yield return $"{where} = {Shown(where, other)}";
            }
        }
    }

    static string Shown(string path, JsonNode? value)
    {
        if (path.Split('.').Any(Pillar.LooksSecret))
        {
            return Pillar.Stars;
        }

        var text = AsText(value) ?? value?.ToJsonString() ?? "null";
        return text.Length > LongestShown ? text[..LongestShown] + "…" : text;
    }
}
