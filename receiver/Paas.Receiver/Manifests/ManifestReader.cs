using Paas.Receiver.Logs;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>
/// Finds out what a repository wants to run: <c>manifest.yml</c>, else <c>Procfile</c>. Whatever is wrong is said at once, with file, line and path.
/// </summary>
static class ManifestReader
{
    const string Paasmaker = "manifest.yml";
    const string Heroku = "Procfile";

    public const string Dockerfile = "Dockerfile";

    /// <param name="directory">The checked-out tree. Nothing outside it is read.</param>
    /// <param name="otherPath">Read this file, relative to the tree, instead of <c>manifest.yml</c>.</param>
    /// <param name="prepares">The prepare commands that it may name, where it is about to be built.</param>
    /// <exception cref="Refusal">There is nothing to run, or the files have mistakes.</exception>
    public static Manifest Read(string directory, string? otherPath = null, PrepareShelf? prepares = null) => Find(directory, otherPath, prepares) ?? throw NothingToRun(directory);

    /// <summary>Null when the repository declares nothing at all, so that somebody else may say what to run.</summary>
    /// <exception cref="Refusal">The files have mistakes, or the other path leads nowhere.</exception>
    public static Manifest? Find(string directory, string? otherPath = null, PrepareShelf? prepares = null)
    {
        var built = Built.Read(directory);
        otherPath ??= built.Manifest;
        var manifest = ProjectFile.Read(directory, otherPath ?? Paasmaker);
        if (manifest is not null)
        {
            return WithDefaults(Parse(manifest, prepares), built);
        }

        if (otherPath is not null)
        {
            throw new Refusal($"There is no {Mistakes.Quote(otherPath)} in this repository.");
        }

        // What a buildpack says is run is a Procfile that nobody wrote; app.json goes with either.
        var procfile = ProjectFile.Read(directory, Heroku)
            ?? (built.ProcessTypes.Count > 0 ? new ProjectFile(built.Source, string.Concat(built.ProcessTypes.Select(type => $"{type.Key}: {type.Value}\n"))) : null);
        return procfile is not null ? WithDefaults(ReadProcfile(directory, procfile), built)
            : built.Image is not null ? OfImage(WithDefaults(ReadProcfile(directory, new ProjectFile(Dockerfile, "web: -")), built)) : null;
    }

    /// <summary>An image says itself what it runs: one type, and its command is the image's own.</summary>
    static Manifest OfImage(Manifest manifest) => manifest with { ProcessTypes = [.. manifest.ProcessTypes.Select(type => type with { Command = "" })] };

    // A buildpack's values are the weakest: what the repository itself says wins.
    static Manifest WithDefaults(Manifest manifest, Built built) =>
        built.ConfigVars.Count == 0 ? manifest with { Image = built.Image }
        : manifest with { Image = built.Image, Environment = built.ConfigVars.Concat(manifest.Environment).GroupBy(variable => variable.Key).ToDictionary(same => same.Key, same => same.Last().Value) };

    /// <summary>The manifest in this text.</summary>
    /// <exception cref="Refusal">It has mistakes.</exception>
    public static Manifest Parse(ProjectFile file, PrepareShelf? prepares = null)
    {
        var mistakes = new Mistakes(file.Name);
        var root = Yaml.Parse(file.Text, mistakes);
        if (root is null && !mistakes.Any)
        {
            mistakes.Add(1, "", "is empty");
        }

        var manifest = root is null ? null : new PaasmakerSchema(mistakes, prepares).Read(root, file.Name);
        mistakes.Throw();
        return manifest!;
    }

    static Manifest ReadProcfile(string directory, ProjectFile procfile)
    {
        var mistakes = new Mistakes(procfile.Name);
        var extraMistakes = new Mistakes(AppJson.Name);
        var extras = AppJson.Read(directory, extraMistakes);
        var manifest = new Procfile(mistakes).Read(procfile, extras);
        if (mistakes.Any && extraMistakes.Any)
        {
            throw new Refusal($"{mistakes.Refusal().Message}\n{extraMistakes.Refusal().Message}");
        }

        mistakes.Throw();
        extraMistakes.Throw();
        return manifest!;
    }

    static Refusal NothingToRun(string directory)
    {
        var example = Examples.FirstOrDefault(one => File.Exists(Path.Combine(directory, one.File))).Command ?? "python3 app.py";
        var misspelt = Directory.EnumerateFiles(directory).Select(Path.GetFileName).FirstOrDefault(IsMisspelt);
        return new Refusal(
            $"There is nothing to run: this repository has neither a {Paasmaker} nor a {Heroku}"
            + (misspelt is null ? ".\n" : $" ({Mistakes.Quote(misspelt)} is not what it is called).\n")
            + Below(directory)
            + $"Add a file named {Heroku} that says how it is started, listening on the port in $PORT, for instance:\n\n    web: {example}\n");
    }

    /// <summary>A repository of many projects keeps them in directories; empty where none looks like one.</summary>
    static string Below(string directory)
    {
        var links = new EnumerationOptions { AttributesToSkip = FileAttributes.ReparsePoint | FileAttributes.Hidden };
        var projects = Subdirectories(directory).SelectMany(below => Subdirectories(below).Prepend(below)).Take(1000)
            .Where(below => Signs.Any(sign => File.Exists(Path.Combine(below, sign)))).Select(below => Path.GetRelativePath(directory, below)).Take(4).ToList();
        return projects.Count == 0 ? "" : $"There are projects below it ({string.Join(", ", projects.Take(3).Select(Mistakes.Quote))}{(projects.Count > 3 ? " …" : "")}): to deploy one, put 'paas: {{path: {LogStream.Harmless(projects[0])}}}' into the pillar.\n";

        IEnumerable<string> Subdirectories(string of) => Directory.EnumerateDirectories(of, "*", links).Order(StringComparer.Ordinal);
    }

    static readonly string[] Signs = [Paasmaker, Heroku, "package.json", "requirements.txt", "pyproject.toml", "go.mod", "pom.xml", "build.gradle", "Gemfile", "composer.json", "index.php", "index.html"];

    static bool IsMisspelt(string? name) =>
        name is not (Paasmaker or Heroku) && name?.ToLowerInvariant() is "procfile" or "procfile.txt" or "manifest.yml" or "manifest.yaml";

    static readonly (string File, string Command)[] Examples =
    [
        ("package.json", "npm start"),
        ("manage.py", "python3 manage.py runserver --noreload 0.0.0.0:$PORT"),
        ("Gemfile", "bundle exec rackup -p $PORT"),
        ("composer.json", "php -S 0.0.0.0:$PORT"),
        ("index.php", "php -S 0.0.0.0:$PORT"),
        ("index.html", "python3 -m http.server $PORT"),
    ];
}
