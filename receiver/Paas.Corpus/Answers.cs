using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Paas.Receiver.Contract;

namespace Paas.Corpus;

/// <summary>
/// How verbs speak: in words for people; where <c>--json</c> was given, in one JSON document on standard output (a JSON object a line where it comes bit by bit) and nothing
/// else there, and in problem documents (RFC 9457), one a line, on standard error.
/// </summary>
static class Answers
{
    /// <summary>What was done, in a sentence.</summary>
    public static Task SayAsync(this Surroundings surroundings, string sentence) => surroundings.SayAsync(new Said(sentence), CorpusJson.Default.Said, sentence);

    /// <summary>A document, or the same in words.</summary>
    public static Task SayAsync<T>(this Surroundings surroundings, T document, JsonTypeInfo<T> type, string words) =>
        surroundings.Out.WriteLineAsync(surroundings.Json ? JsonSerializer.Serialize(document, type) : words);

    public static Task WriteJsonAsync<T>(this Surroundings surroundings, T document, JsonTypeInfo<T> type) => surroundings.Out.WriteLineAsync(JsonSerializer.Serialize(document, type));

    /// <summary>A text for another program, as it is.</summary>
    public static async Task<int> PrintAsync(this Surroundings surroundings, string text)
    {
        await (surroundings.Json ? surroundings.WriteJsonAsync(new PlainText(text), CorpusJson.Default.PlainText) : surroundings.Out.WriteAsync(text));
        return Exit.Done;
    }

    /// <summary>One of many, at once. An application's own line has its time and its process in front.</summary>
    public static async Task PassLineAsync(this Surroundings surroundings, string line, bool isApplications = false)
    {
        await surroundings.Out.WriteLineAsync(surroundings.Json ? JsonSerializer.Serialize(Happening.Of(line, isApplications), CorpusJson.Default.Happening) : line);
        await surroundings.Out.FlushAsync();
    }

    /// <summary>What people had better know; nothing that a program waits for.</summary>
    public static async Task HintAsync(this Surroundings surroundings, string text)
    {
        if (!surroundings.Json)
        {
            await surroundings.Error.WriteLineAsync(text);
        }
    }

    public static void Warn(this Surroundings surroundings, string text) =>
        surroundings.Error.WriteLine(surroundings.Json ? JsonSerializer.Serialize(new Trouble("Warning", text), CorpusJson.Default.Trouble) : $"corpus: {text}");

    /// <summary>Why it did not go well, and what to type next.</summary>
    /// <returns>The exit code.</returns>
    public static int Fail(this Surroundings surroundings, CorpusException why)
    {
        // Whoever came by ssh types the verb alone.
        var next = surroundings.Only is null || why.Next?.StartsWith("corpus ", StringComparison.Ordinal) != true ? why.Next : why.Next["corpus ".Length..];
        if (surroundings.Json)
        {
            surroundings.Error.WriteLine(JsonSerializer.Serialize(new Trouble(TitleOf(why.ExitCode), why.Message, why.Status, why.ExitCode, next), CorpusJson.Default.Trouble));
        }
        else
        {
            surroundings.Error.WriteLine($"corpus: {why.Message}{(next is null ? "" : $"\n        next: {next}")}");
        }

        return why.ExitCode;
    }

    /// <summary>A program of this machine to its end, in this directory: at our own terminal where we are a process and nobody wants JSON, else its lines as they come.</summary>
    /// <param name="toError">Where its standard output goes with the other one: git says everything there.</param>
    /// <param name="place">Where it is to be done, for who has not got the program here.</param>
    /// <exception cref="CorpusException">It is not on this machine.</exception>
    public static async Task<int> RunHereAsync(this Surroundings surroundings, ProcessStartInfo start, bool toError, CancellationToken ct, string? place = null)
    {
        var passed = !surroundings.IsTheProcess || surroundings.Json;
        (start.UseShellExecute, start.RedirectStandardOutput, start.RedirectStandardError) = (false, passed, passed);
        using var process = Started(start, place);
        try
        {
            if (passed)
            {
                // Both at once: a full pipe on one side must never stop the other.
                using var oneAtATime = new SemaphoreSlim(1);
                await Task.WhenAll(CopyAsync(process.StandardOutput, toError, oneAtATime), CopyAsync(process.StandardError, toError: true, oneAtATime));
            }

            await process.WaitForExitAsync(ct);
            return process.ExitCode;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }

        async Task CopyAsync(StreamReader from, bool toError, SemaphoreSlim oneAtATime)
        {
            while (await from.ReadLineAsync(ct) is { } line)
            {
                await oneAtATime.WaitAsync(ct);
                try
                {
                    await (surroundings.Json || !toError ? surroundings.PassLineAsync(line) : surroundings.Error.WriteLineAsync(line));
                }
                finally
                {
                    oneAtATime.Release();
                }
            }
        }
    }

    /// <exception cref="CorpusException">It is not on this machine.</exception>
    public static Process Started(ProcessStartInfo start, string? place = null)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new CorpusException(Exit.Failed, $"{start.FileName} is not installed here{(place is null ? "" : $": this is done {place}")}.");
        }
    }

    static string TitleOf(int exitCode) => exitCode switch
    {
        Exit.Usage => "Not understood",
        Exit.Unreachable => "Not reachable",
        Exit.NotAllowed => "Not allowed",
        _ => "Refused or failed",
    };
}

/// <summary>The one answer of a verb that has nothing else to tell.</summary>
sealed record Said(string Message);

/// <summary>A problem document.</summary>
sealed record Trouble(string Title, string Detail, int? Status = null, int? ExitCode = null, string? Next = null);

/// <summary>Something that became of what was asked for: <c>accepted</c>, a <c>line</c>, what a command printed (<c>out</c>, <c>err</c>), the <c>outcome</c>.</summary>
sealed record Happening(string Event)
{
    public string? Text { get; init; }

    /// <summary>When an application printed the text, and which of its processes.</summary>
    public string? Time { get; init; }

    public string? Process { get; init; }

    public AcceptedWork? Work { get; init; }

    public bool? Succeeded { get; init; }

    public string? Outcome { get; init; }

    public int? ExitCode { get; init; }

    public DeploymentSummary? Deployment { get; init; }

    public static Happening Of(string line, bool isApplications) => isApplications && line.Split(' ', 3) is [var time, var process, var text]
        ? new Happening("line") { Time = time, Process = process, Text = text } : new Happening("line") { Text = line };
}

/// <summary>A release's patch, as <c>git am</c> takes it.</summary>
sealed record PatchText(int Number, string Patch);

/// <summary>A text for another program: a key, a script, a page.</summary>
sealed record PlainText(string Text);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Said))]
[JsonSerializable(typeof(Trouble))]
[JsonSerializable(typeof(Happening))]
[JsonSerializable(typeof(PatchText))]
[JsonSerializable(typeof(PlainText))]
sealed partial class CorpusJson : JsonSerializerContext;
