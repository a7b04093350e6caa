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
            BuildCommands = extras.PreDeploy is { } before ? [before] : [],
            Build = extras.Paas.Build,
            Run = extras.Paas.Run,
            SharesWebServer = extras.Paas.SharesWebServer,
            Container = extras.Paas.Container,
            Environment = extras.Environment,
            Generated = extras.Generated,
            Required = extras.Required,
            PostDeploy = extras.PostDeploy,
            PostDeployOnce = extras.PostDeployOnce,
            CronCommands = extras.Crons,
            Strategy = extras.Paas.Strategy,
            BounceMargin = extras.Paas.BounceMargin,
            Health = extras.Health,
            Addresses = [.. extras.Paas.Routes.Select(route => route.Address)],
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
