namespace Paas.Receiver.Manifests;

/// <summary>
/// Heroku's <c>app.json</c> as Heroku and dokku read it, comments tolerated, with our own <c>paas</c> section. Keys that are about other things (add-ons, logos,
/// review applications) are others' business.
/// </summary>
sealed class AppJson
{
    public const string Name = "app.json";

    readonly Dictionary<string, int> quantities = new(StringComparer.Ordinal);
    readonly Dictionary<string, string> environment = new(StringComparer.Ordinal);
    readonly Dictionary<string, string> required = new(StringComparer.Ordinal);
    readonly List<string> generated = [];
    readonly List<CronCommand> crons = [];

    public PaasSection Paas { get; private set; } = new();

    public HealthCheck Health { get; private set; } = new();

    public IReadOnlyList<string> Buildpacks { get; private set; } = [];

    /// <summary><c>env</c>: values that hold unless the project is configured otherwise.</summary>
    public IReadOnlyDictionary<string, string> Environment => environment;

    public IReadOnlyList<string> Generated => generated;

    public IReadOnlyDictionary<string, string> Required => required;

    public IReadOnlyList<CronCommand> Crons => crons;

    /// <summary>dokku's <c>scripts.dokku.predeploy</c>: runs in the tree once it is built.</summary>
    public string? PreDeploy { get; private set; }

    /// <summary>dokku's <c>scripts.dokku.postdeploy</c> for each release, or Heroku's <c>scripts.postdeploy</c> for the first alone.</summary>
    public string? PostDeploy { get; private set; }

    public bool PostDeployOnce { get; private set; }

    /// <summary>As if there were none when there is no file.</summary>
    public static AppJson Read(string directory, Mistakes mistakes)
    {
        var app = new AppJson();
        if (ProjectFile.Read(directory, Name) is { } file && Json.Parse(file.Text, mistakes) is { } root && Fields.Of(root, "", mistakes) is { } top)
        {
            app.ReadFormation(top, mistakes);
            app.ReadEnvironment(top.Free("env"), mistakes);
            app.ReadScripts(top.Section("scripts"));
            app.ReadCrons(top);
            app.Buildpacks = [.. top.Sections("buildpacks").Select(pack => pack.Text("url", required: true)).OfType<string>()];
            app.Paas = Additions.Read(top.Section("paas"), mistakes);
            app.Health = app.Paas.Health == new HealthCheck() ? StartupCheck(top.Section("healthchecks")) ?? app.Paas.Health : app.Paas.Health;
        }

        return app;
    }

    public int QuantityOf(string type) => quantities.GetValueOrDefault(type, 1);

    public IReadOnlyList<string> Notices(IReadOnlyList<string> types) =>
        [.. quantities.Keys.Except(types, StringComparer.Ordinal).Order(StringComparer.Ordinal)
            .Select(name => $"{Name}: formation names {Mistakes.Quote(name)}, which the Procfile does not{Nearest.Hint(name, types)}")];

    void ReadFormation(Fields top, Mistakes mistakes)
    {
        foreach (var entry in top.Free("formation").Entries)
        {
            if (Fields.Of(entry.Value, $"formation.{entry.Key}", mistakes) is { } type)
            {
                quantities[entry.Key] = type.Number("quantity", 1, 0, 1000);
            }
        }
    }

    void ReadEnvironment(Mapping env, Mistakes mistakes)
    {
        foreach (var entry in env.Entries)
        {
            if (!PillarReader.IsVariable(entry.Key))
            {
                mistakes.Add(entry.Line, $"env.{entry.Key}", "is no variable's name: letters, digits and '_', not beginning with a digit");
            }
            else if (PillarReader.IsGiven(entry.Key))
            {
                mistakes.Add(entry.Line, $"env.{entry.Key}", "is given by the receiver and cannot be set");
            }
            else if (entry.Value is Scalar { IsNull: false } value)
            {
                environment[entry.Key] = value.Text;
            }
            else if (entry.Value is Mapping && Fields.Of(entry.Value, $"env.{entry.Key}", mistakes) is { } variable)
            {
                ReadVariable(entry.Key, variable);
            }
        }
    }

    void ReadVariable(string name, Fields variable)
    {
        var needed = variable.Flag("required");
        if (variable.Text("value") is { } value)
        {
            environment[name] = value;
        }
        else if (variable.Text("generator") is { } generator)
        {
            if (generator == "secret")
            {
                generated.Add(name);
            }
            else
            {
                variable.Mistake("generator", $"{Mistakes.Quote(generator)} is not known here; there is 'secret'");
            }
        }
        else if (needed)
        {
            required[name] = variable.Text("description") ?? "";
        }
    }

    void ReadScripts(Fields? scripts)
    {
        if (scripts?.Section("dokku") is { } dokku)
        {
            (PreDeploy, PostDeploy) = (dokku.Text("predeploy"), dokku.Text("postdeploy"));
        }

        PreDeploy ??= scripts?.Text("predeploy");
        if (PostDeploy is null && scripts?.Text("postdeploy") is { } once)
        {
            (PostDeploy, PostDeployOnce) = (once, true);
        }
    }

    void ReadCrons(Fields top)
    {
        foreach (var cron in top.Sections("cron"))
        {
            var (schedule, command) = (cron.Text("schedule", required: true), cron.Text("command", required: true));
            if (schedule is not null && !CronSchedule.TryParse(schedule, out _, out var mistake))
            {
                cron.Mistake("schedule", $"{Mistakes.Quote(schedule)} {mistake}");
            }
            else if (schedule is not null && command is not null)
            {
                crons.Add(new CronCommand(schedule, command));
            }
        }
    }

    /// <summary>dokku's: <c>{"web": [{"type": "startup", "path": "/up", "timeout": 5, "attempts": 3, "wait": 5, "initialDelay": 0}]}</c>.</summary>
    static HealthCheck? StartupCheck(Fields? checks)
    {
        foreach (var check in checks?.Sections("web") ?? [])
        {
            if (check.Text("type") is null or "startup" && check.Text("path") is { } path && path.StartsWith('/'))
            {
                var (timeout, attempts) = (check.Number("timeout", 5, 1, 3600), check.Number("attempts", 3, 1, 1000));
                var (wait, delay) = (check.Number("wait", 5, 0, 3600), check.Number("initialDelay", 0, 0, 3600));
                return new HealthCheck(path, TimeSpan.FromSeconds(Math.Min(86_400L, delay + ((long)attempts * (timeout + wait)))));
            }
        }

        return null;
    }
}
