using System.Text;

namespace Paas.Receiver.Manifests;

/// <summary>
/// What we take from a <c>project.toml</c> (Cloud Native Buildpacks' project descriptor, both of its versions): variables of the build, buildpacks by name and
/// what is left out. Everything else in it is others' business, and only as much of TOML is read as people write there.
/// </summary>
sealed class ProjectToml
{
    public const string Name = "project.toml";

    readonly Dictionary<string, string> environment = new(StringComparer.Ordinal);
    readonly List<string> buildpacks = [];
    readonly List<string> leftOut = [];

    public IReadOnlyDictionary<string, string> Environment => environment;

    public IReadOnlyList<string> Buildpacks => buildpacks;

    public IReadOnlyList<string> LeftOut => leftOut;

    /// <summary>As if there were none when there is no file.</summary>
    public static ProjectToml Read(string directory, Mistakes mistakes)
    {
        var project = new ProjectToml();
        if (ProjectFile.Read(directory, Name) is { } file)
        {
            project.ReadText(file.Text, mistakes);
        }

        return project;
    }

    void ReadText(string text, Mistakes mistakes)
    {
        var table = "";
        (int Line, string? Name, string? Value) variable = default;
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var line = WithoutComment(lines[i]).Trim();
            if (line.StartsWith('['))
            {
                Keep();
                table = line.Trim('[', ']').Replace(" ", "", StringComparison.Ordinal);
                continue;
            }

            var at = line.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
            {
                continue;
            }

            var (key, value, number) = (line[..at].Trim().Trim('"', '\''), line[(at + 1)..].Trim(), i + 1);
            while (value.StartsWith('[') && !Closed(value) && i + 1 < lines.Length)
            {
                value += " " + WithoutComment(lines[++i]).Trim();
            }

            switch (table, key)
            {
                case ("build" or "io.buildpacks", "exclude"):
                    leftOut.AddRange(Texts(value));
                    break;
                case ("build.env" or "build.buildpacks.env" or "io.buildpacks.build.env", "name"):
                    variable = (number, Texts(value).FirstOrDefault(), variable.Value);
                    break;
                case ("build.env" or "build.buildpacks.env" or "io.buildpacks.build.env", "value"):
                    variable = (variable.Line == 0 ? number : variable.Line, variable.Name, Texts(value).FirstOrDefault());
                    break;
                case ("build.buildpacks" or "io.buildpacks.group", "uri" or "id") when Texts(value).FirstOrDefault() is { Length: > 0 } pack:
                    buildpacks.Add(pack);
                    break;
            }
        }

        Keep();

        void Keep()
        {
            if (variable is (_, { } name, { } value))
            {
                if (Processes.Cage.IsVariableName(name))
                {
                    environment[name] = value;
                }
                else
                {
                    mistakes.Add(variable.Line, table, $"{Mistakes.Quote(name)} is no variable's name: letters, digits and '_', not beginning with a digit");
                }
            }

            variable = default;
        }
    }

    static bool Closed(string list) => WithoutTexts(list).Contains(']', StringComparison.Ordinal);

    static string WithoutTexts(string value)
    {
        foreach (var text in Quoted(value))
        {
            value = value.Replace(text.Whole, "", StringComparison.Ordinal);
        }

        return value;
    }

    static string WithoutComment(string line)
    {
        char? quote = null;
        for (var i = 0; i < line.Length; i++)
        {
            if (quote is null && line[i] == '#')
            {
                return line[..i];
            }

            quote = quote is null && line[i] is '"' or '\'' ? quote ?? line[i] : line[i] == quote ? null : quote;
        }

        return line;
    }

    static IEnumerable<string> Texts(string value) => Quoted(value).Select(text => text.Text);

    static List<(string Whole, string Text)> Quoted(string value)
    {
        var found = new List<(string, string)>();
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] is not ('"' or '\''))
            {
                continue;
            }

            var (quote, begin, text) = (value[i], i, new StringBuilder());
            for (i++; i < value.Length && value[i] != quote; i++)
            {
                if (quote == '"' && value[i] == '\\' && i + 1 < value.Length)
                {
                    i++;
                    text.Append(value[i] switch { 'n' => '\n', 't' => '\t', var other => other });
                }
                else
                {
                    text.Append(value[i]);
                }
            }

            found.Add((value[begin..Math.Min(i + 1, value.Length)], text.ToString()));
        }

        return found;
    }
}
