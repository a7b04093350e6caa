using System.Text.Json;

namespace Paas.Receiver.Projects;

/// <summary>A project's configuration, all its layers together (R1.3, R1.5, R4.3). Immutable.</summary>
/// <param name="Environment">Variables for the application, from <c>env:</c>.</param>
/// <param name="Secrets">Values, or parts of them, that must never be readable in a log: give each to <c>LogStream.Mask</c>.</param>
sealed record Pillar(IReadOnlyDictionary<string, string> Environment, IReadOnlyList<string> Secrets)
{
    public const string Stars = "********";

    public static readonly Pillar Empty = new(new Dictionary<string, string>(StringComparer.Ordinal), []);

    /// <summary>All of it as one JSON object, references resolved, secrets readable.</summary>
    public JsonElement Document { get; init; } = JsonDocument.Parse("{}").RootElement;

    /// <summary>Which layer each value came from, by its path; the parts of a path are divided by line breaks, which no key of a mapping holds in earnest.</summary>
    public IReadOnlyDictionary<string, string> Origins { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// <c>paas: path:</c>, the directory of the repository that the project lives in where a repository holds many; empty for all of it. Plain names divided by '/'.
    /// </summary>
    /// <exception cref="Refusal">It is no such path.</exception>
    public string Path
    {
        get
        {
            if (OfPaas("path") is not { } path)
            {
                return "";
            }

            var text = path.ValueKind == JsonValueKind.String ? path.GetString()!.Trim('/') : "..";
            return text.Length == 0 || text.Split('/').All(part => part is not ("" or "." or "..") && !part.Any(char.IsControl))
                ? text : throw new Refusal($"paas.path: '{path}' is not a directory of the repository, such as apps/web");
        }
    }

    /// <summary><c>paas: web_server:</c>, as it is written; null where there is none.</summary>
    public string? WebServer => OfPaas("web_server") is not { } server ? null : server.ValueKind == JsonValueKind.String ? server.GetString() : server.GetRawText();

    /// <summary><c>paas: make:</c>, the target of the Makefile that makes the image; null where there is none.</summary>
    public string? Make => OfPaas("make") is not { } make ? null : make.ValueKind == JsonValueKind.String ? make.GetString() : make.GetRawText();

    /// <summary><c>paas: run:</c>, as it is written; null where there is none.</summary>
    public string? Run => OfPaas("run") is not { } run ? null : run.ValueKind == JsonValueKind.String ? run.GetString() : run.GetRawText();

    /// <summary>
    /// The configuration for people: variables by their names, everything else by its path with dots, what is secret or has something secret in it as stars.
    /// Variables first, each part sorted by name.
    /// </summary>
    public IReadOnlyList<(string Name, string Value, bool Masked, string? From)> Shown() =>
    [
        .. Environment.OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => Masked(pair.Key, pair.Key, pair.Value, Origins.GetValueOrDefault($"env\n{pair.Key}"))),
        .. Leaves(Document, "").Where(leaf => !leaf.Path.StartsWith("env\n", StringComparison.Ordinal))
            .OrderBy(leaf => leaf.Path, StringComparer.Ordinal)
            .Select(leaf => Masked(leaf.Path, leaf.Path.Replace('\n', '.'), leaf.Value, Origins.GetValueOrDefault(leaf.Path))),
    ];

    /// <summary>Does a value under this name look like one to keep secret?</summary>
    public static bool LooksSecret(string key)
    {
        var name = key.ToLowerInvariant();
        return name.Contains("pass") || name.Contains("pwd") || name.Contains("secret") || name.Contains("token") || name.Contains("credential")
            || name.Contains("private") || name.Split('_', '-', '.').Any(part => part is "auth" or "dsn" || part.EndsWith("key") || part.EndsWith("keys"));
    }

    JsonElement? OfPaas(string key) =>
        Document.ValueKind == JsonValueKind.Object && Document.TryGetProperty("paas", out var paas) && paas.ValueKind == JsonValueKind.Object && paas.TryGetProperty(key, out var value) ? value : null;

    (string Name, string Value, bool Masked, string? From) Masked(string path, string name, string value, string? from) =>
        Hides(path, value) ? (name, Stars, true, from) : (name, value, false, from);

    bool Hides(string path, string value) =>
        path.Split('\n').Any(LooksSecret) || Secrets.Any(secret => secret.Length >= 4 && value.Contains(secret, StringComparison.Ordinal));

    static IEnumerable<(string Path, string Value)> Leaves(JsonElement element, string path) => element.ValueKind switch
    {
        JsonValueKind.Object when element.EnumerateObject().Any() =>
            element.EnumerateObject().SelectMany(property => Leaves(property.Value, path.Length == 0 ? property.Name : $"{path}\n{property.Name}")),
        JsonValueKind.Object when path.Length == 0 => [],
        JsonValueKind.String => [(path, element.GetString()!)],
        JsonValueKind.Null => [(path, "")],
        _ => [(path, element.GetRawText())],
    };
}
