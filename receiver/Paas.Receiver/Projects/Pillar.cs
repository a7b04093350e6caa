namespace Paas.Receiver.Projects;

/// <summary>A project's private configuration as its <c>init.sls</c> declares it (R1.3, R4.3). Immutable.</summary>
/// <param name="Environment">Variables for the application, from <c>env:</c>.</param>
/// <param name="Secrets">Values, or parts of them, that must never be readable in a log: give each to <c>LogStream.Mask</c>.</param>
sealed record Pillar(IReadOnlyDictionary<string, string> Environment, IReadOnlyList<string> Secrets)
{
    public const string Stars = "********";

    public static readonly Pillar Empty = new(new Dictionary<string, string>(StringComparer.Ordinal), []);

    /// <summary>The environment for people: what is secret, or has something secret in it, reads as stars. Sorted by name.</summary>
    public IReadOnlyList<(string Name, string Value, bool Masked)> Shown() =>
        [.. Environment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => Hides(pair.Key, pair.Value) ? (pair.Key, Stars, true) : (pair.Key, pair.Value, false))];

    /// <summary>Does a value under this name look like one to keep secret?</summary>
    public static bool LooksSecret(string key)
    {
        var name = key.ToLowerInvariant();
        return name.Contains("pass") || name.Contains("pwd") || name.Contains("secret") || name.Contains("token") || name.Contains("credential")
            || name.Contains("private") || name.Split('_', '-', '.').Any(part => part is "auth" or "dsn" || part.EndsWith("key") || part.EndsWith("keys"));
    }

    bool Hides(string name, string value) => LooksSecret(name) || Secrets.Any(secret => secret.Length >= 4 && value.Contains(secret, StringComparison.Ordinal));
}
