using System.Text.Json;
using System.Text.RegularExpressions;
using Paas.Receiver.Manifests;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Toolchains;

/// <summary>
/// Which versions a tree asks for, in the files that its people's own tools read. <c>global.json</c> is not among them: dotnet itself holds to it.
/// </summary>
static partial class Wanted
{
    /// <param name="Toolchain">The language and the version as written.</param>
    /// <param name="By">The file that says so.</param>
    public sealed record Wish(WantedToolchain Toolchain, string By);

    /// <summary>Null when the tree does not say. The narrowest file wins: a version manager's over a package's.</summary>
    /// <exception cref="Refusal">A file cannot be read.</exception>
    public static Wish? Of(string tree, string language) => language switch
    {
        "node" => First(tree, language, ".nvmrc", ".node-version") ?? ToolVersions(tree, language, "nodejs", "node") ?? Json(tree, language, "package.json", "engines", "node"),
        "python" => First(tree, language, ".python-version") ?? Match(tree, language, "runtime.txt", RuntimeTxt()) ?? ToolVersions(tree, language, "python") ?? Match(tree, language, "pyproject.toml", RequiresPython()),
        "ruby" => First(tree, language, ".ruby-version") ?? ToolVersions(tree, language, "ruby") ?? Match(tree, language, "Gemfile", RubyInGemfile()),
        "go" => First(tree, language, ".go-version") ?? ToolVersions(tree, language, "golang", "go") ?? AtLeast(Match(tree, language, "go.mod", GoInModule())),
        "java" => First(tree, language, ".java-version") ?? Match(tree, language, "system.properties", JavaRuntime()) ?? ToolVersions(tree, language, "java"),
        "php" => First(tree, language, ".php-version") ?? ToolVersions(tree, language, "php") ?? Json(tree, language, "composer.json", "require", "php"),
        _ => First(tree, language, $".{language}-version") ?? ToolVersions(tree, language, language),
    };

    static Wish? First(string tree, string language, params string[] names) =>
        names.Select(name => (Name: name, Line: ProjectFile.Read(tree, name)?.Text.Split('\n').Select(line => line.Split('#')[0].Trim()).FirstOrDefault(line => line.Length > 0)))
            .Where(one => one.Line is not null).Select(one => Made(language, one.Line!, one.Name)).FirstOrDefault();

    static Wish? ToolVersions(string tree, string language, params string[] names) =>
        ProjectFile.Read(tree, ".tool-versions")?.Text.Split('\n').Select(line => line.Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length > 1 && names.Contains(words[0], StringComparer.Ordinal)).Select(words => Made(language, words[1], ".tool-versions")).FirstOrDefault();

    static Wish? Match(string tree, string language, string name, Regex pattern) =>
        ProjectFile.Read(tree, name) is { } file && pattern.Match(file.Text) is { Success: true } match ? Made(language, match.Groups["version"].Value, name) : null;

    static Wish? Json(string tree, string language, string name, string section, string key)
    {
        try
        {
            using var document = ProjectFile.Read(tree, name) is { } file ? JsonDocument.Parse(file.Text, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip }) : null;
            return document?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty(section, out var part) && part.ValueKind == JsonValueKind.Object
                && part.TryGetProperty(key, out var version) && version.ValueKind == JsonValueKind.String ? Made(language, version.GetString()!, name) : null;
        }
        catch (JsonException)
        {
            // The package manager says it better than we could.
            return null;
        }
    }

    static Wish? AtLeast(Wish? wish) => wish is null ? null : wish with { Toolchain = wish.Toolchain with { Version = ">=" + wish.Toolchain.Version } };

    // "ruby-3.1.2", "temurin-21", "python-3.11": the maker is not what is asked for.
    static Wish Made(string language, string version, string by) => new(new WantedToolchain(language, Maker().Replace(version.Trim(), "")), by);

    [GeneratedRegex("^(?!lts)[A-Za-z]+-(?=[0-9])", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Maker();

    [GeneratedRegex("^python-(?<version>[0-9][0-9.]*)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RuntimeTxt();

    [GeneratedRegex("^requires-python *= *[\"'](?<version>[^\"']+)[\"']", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RequiresPython();

    [GeneratedRegex("^ *ruby +[\"'](?<version>[^\"']+)[\"']", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RubyInGemfile();

    [GeneratedRegex("^go +(?<version>[0-9][0-9.]*)", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex GoInModule();

    [GeneratedRegex("^java\\.runtime\\.version *[=:] *(?<version>[0-9][0-9.]*)", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex JavaRuntime();
}
