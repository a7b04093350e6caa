using System.Text.RegularExpressions;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>
/// What holds for a pillar's <c>init.sls</c> (R1.3) and for every other layer: <c>env:</c> is ours; whatever else it holds belongs to the project's hooks and recipes.
/// </summary>
static partial class PillarReader
{
    public const string FileName = "init.sls";

    const int LongestValue = 100_000;

    /// <summary>An empty pillar when there is no such file.</summary>
    /// <exception cref="Refusal">It cannot be used; every mistake with its line.</exception>
    public static Pillar Read(string directory) => ProjectFile.Read(directory, FileName) is { } file ? Parse(file) : Pillar.Empty;

    /// <summary>The pillar by itself, without the layers below it; nothing is generated.</summary>
    public static Pillar Parse(ProjectFile file) => Layers.Resolve(new LayerSources { Pillar = file });

    /// <summary>Values, or parts of them, that must not be readable in a log.</summary>
    public static HashSet<string> SecretsOf(Node root)
    {
        var secrets = new HashSet<string>(StringComparer.Ordinal);
        Collect("", root, secrets);
        return secrets;
    }

    // Salt renders Jinja before it reads YAML, unless the first line says #!yaml.
    public static void RefuseJinja(string text, Mistakes mistakes)
    {
        if (text.StartsWith("#!yaml", StringComparison.Ordinal) && text.Split('\n', 2)[0].Trim() == "#!yaml")
        {
            return;
        }

        foreach (var (line, number) in text.Split('\n').Select((line, index) => (line, index + 1)))
        {
            if (line.Contains("{{", StringComparison.Ordinal) || line.Contains("{%", StringComparison.Ordinal) || line.Contains("{#", StringComparison.Ordinal))
            {
                mistakes.Add(number, "", "uses a Jinja template, which is not rendered here: write the value itself (or begin the file with the line '#!yaml' where the braces are meant)");
            }
        }
    }

    /// <param name="env">Where the variables are: <c>env</c>.</param>
    public static void CheckVariable(Entry entry, string env, Mistakes mistakes)
    {
        var path = $"{env}.{entry.Key}";
        if (!IsVariable(entry.Key))
        {
            mistakes.Add(entry.Line, path, "is no variable's name: letters, digits and '_', not beginning with a digit");
        }
        else if (IsGiven(entry.Key))
        {
            mistakes.Add(entry.Line, path, "is given by the receiver and cannot be set");
        }
        else if (entry.Value is not Scalar value)
        {
            mistakes.Add(entry.Line, path, $"a single value was expected, not {entry.Value.Kind}");
        }
        else if (value.Text.Contains('\0', StringComparison.Ordinal))
        {
            mistakes.Add(entry.Line, path, "holds a NUL character, which no variable can");
        }
        else if (value.Text.Length > LongestValue)
        {
            mistakes.Add(entry.Line, path, $"is longer than {LongestValue:N0} characters");
        }
    }

    /// <summary>May a variable of the environment be called so?</summary>
    public static bool IsVariable(string name) => VariableName().IsMatch(name);

    /// <summary>Is this one of the variables that the receiver itself gives?</summary>
    public static bool IsGiven(string name) => name is "PORT" || name.StartsWith("PAAS_") || name.StartsWith("PM_") || name.StartsWith("PAASTA_");

    static void Collect(string key, Node node, HashSet<string> secrets)
    {
        switch (node)
        {
            case Mapping mapping:
                foreach (var entry in mapping.Entries)
                {
                    // Everything below a secret's name is secret: "credentials: {user: …, hash: …}".
                    Collect(Pillar.LooksSecret(key) ? key : entry.Key, entry.Value, secrets);
                }

                break;
            case Sequence sequence:
                foreach (var item in sequence.Items)
                {
                    Collect(key, item, secrets);
                }

                break;
            case Scalar scalar:
                CollectValue(key, scalar, secrets);
                break;
        }
    }

    static void CollectValue(string key, Scalar scalar, HashSet<string> secrets)
    {
        if (Pillar.LooksSecret(key) && !MeansLittle(scalar))
        {
            // Logs are masked line by line.
            secrets.UnionWith(scalar.Text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        }

        if (scalar.Text.Length <= LongestValue)
        {
            var passwords = UserInformation().Matches(scalar.Text).Select(url => url.Groups["password"].Value).ToList();
            secrets.UnionWith(passwords.Concat(passwords.Select(Uri.UnescapeDataString)));
        }
    }

    // "TOKEN_LIFETIME: 3600" and "USE_TOKENS: true" would hide every 3600 and every true.
    static bool MeansLittle(Scalar scalar) => scalar.IsNull || scalar.AsBoolean is not null || (scalar.AsInteger is not null && scalar.Text.Length < 6);

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]{0,199}$", RegexOptions.NonBacktracking)]
    private static partial Regex VariableName();

    // user:password@ in any address; a long user name alone in an HTTP address is a token.
    [GeneratedRegex("[A-Za-z][A-Za-z0-9+.-]*://([^/@:\\s]*:(?<password>[^/@\\s]+)|(?<password>[^/@:\\s]{20,}))@", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex UserInformation();
}
