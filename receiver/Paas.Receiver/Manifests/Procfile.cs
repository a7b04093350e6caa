using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>Heroku's <c>Procfile</c> (<c>type: command</c> a line) with the quantities of an <c>app.json</c>'s formation and its <c>paas</c> section.</summary>
sealed class Procfile(Mistakes mistakes)
{
    readonly List<(int Line, string Name, string Command)> declared = [];

    /// <summary>Null when there are mistakes, or when nothing but <c>release:</c> is declared (also a mistake).</summary>
    public Manifest? Read(ProjectFile file, AppJson extras)
    {
        foreach (var (line, text) in file.Text.Split('\n').Select((text, index) => (index + 1, text.Trim())))
        {
            if (text.Length > 0 && text[0] != '#')
            {
                ReadLine(line, text);
            }
        }

        var types = declared.Where(one => one.Name != "release").ToList();
        if (types.Count == 0 && !mistakes.Any)
        {
            mistakes.Add(1, "", "declares nothing to run; add a line such as 'web: python3 app.py'");
        }

        return mistakes.Any ? null : new Manifest
        {
            Source = file.Name,
            ProcessTypes = [.. types.Select(one => new ProcessType(one.Name, one.Command, extras.QuantityOf(one.Name), Web: one.Name == "web"))],
            ReleaseCommand = declared.FirstOrDefault(one => one.Name == "release").Command,
            Strategy = extras.Strategy,
            Health = extras.Health,
            Addresses = extras.Addresses,
            Notices = extras.Notices(types.ConvertAll(one => one.Name)),
        };
    }

    void ReadLine(int line, string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var (name, command) = colon < 0 ? (text, "") : (text[..colon].TrimEnd(), text[(colon + 1)..].Trim());
        if (colon < 0)
        {
            mistakes.Add(line, "", $"{Mistakes.Quote(text)} is not 'type: command'");
        }
        else if (!ProcessNames.IsOne(name))
        {
            mistakes.Add(line, "", ProcessNames.Refused(name));
        }
        else if (command.Length == 0)
        {
            mistakes.Add(line, name, "has no command");
        }
        else if (declared.FirstOrDefault(one => one.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) is { Line: > 0 } first)
        {
            mistakes.Add(line, name, $"is declared twice; first on line {first.Line}");
        }
        else
        {
            declared.Add((line, name, command));
        }
    }
}

/// <summary>What we take from an <c>app.json</c>: the formation's quantities and our own <c>paas</c> section. Everything else in it is others' business.</summary>
sealed class AppJson
{
    public const string Name = "app.json";

    readonly Dictionary<string, int> quantities = new(StringComparer.Ordinal);

    public Strategy? Strategy { get; private set; }

    public HealthCheck Health { get; private set; } = new();

    public IReadOnlyList<Address> Addresses { get; private set; } = [];

    /// <summary>As if there were none when there is no file.</summary>
    public static AppJson Read(string directory, Mistakes mistakes)
    {
        var extras = new AppJson();
        if (ProjectFile.Read(directory, Name) is { } file && Json.Parse(file.Text, mistakes) is { } root && Fields.Of(root, "", mistakes) is { } top)
        {
            foreach (var entry in top.Free("formation").Entries)
            {
                if (Fields.Of(entry.Value, $"formation.{entry.Key}", mistakes) is { } type)
                {
                    extras.quantities[entry.Key] = type.Number("quantity", 1, 0, 1000);
                }
            }

            (extras.Strategy, extras.Health, var routes) = Additions.Read(top.Section("paas"), mistakes);
            extras.Addresses = [.. routes.Select(route => route.Address)];
        }

        return extras;
    }

    public int QuantityOf(string type) => quantities.GetValueOrDefault(type, 1);

    public IReadOnlyList<string> Notices(IReadOnlyList<string> types) =>
        [.. quantities.Keys.Except(types, StringComparer.Ordinal).Order(StringComparer.Ordinal)
            .Select(name => $"{Name}: formation names {Mistakes.Quote(name)}, which the Procfile does not{Nearest.Hint(name, types)}")];
}
