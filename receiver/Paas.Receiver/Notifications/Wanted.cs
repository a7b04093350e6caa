using System.Text.Json;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Notifications;

/// <summary>Who wants to hear of a project's deployments, as its configuration's <c>notify:</c> says. Immutable.</summary>
sealed record Wanted(Recipient Recipient, bool Successes, bool Failures)
{
    const int Most = 20;

    /// <exception cref="Refusal">It says something that cannot be done; all of it is named.</exception>
    public static IReadOnlyList<Wanted> In(JsonElement configuration, IReadOnlyList<INotificationChannel> channels)
    {
        if (configuration.ValueKind != JsonValueKind.Object || !configuration.TryGetProperty("notify", out var notify) || notify.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        var mistakes = new List<string>();
        var entries = notify.ValueKind == JsonValueKind.Array ? notify.EnumerateArray().ToList() : [notify];
        if (entries.Count > Most)
        {
            throw new Refusal($"the configuration's 'notify' has {entries.Count} entries; at most {Most} are told");
        }

        var wanted = entries.SelectMany((entry, index) => Of(entry, $"notify.{index}", channels, mistakes)).ToList();
        return mistakes.Count == 0 ? wanted : throw new Refusal("the configuration cannot be used:\n" + string.Join('\n', mistakes.Select(mistake => "  " + mistake)));
    }

    static IEnumerable<Wanted> Of(JsonElement entry, string path, IReadOnlyList<INotificationChannel> channels, List<string> mistakes)
    {
        if (entry.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add($"{path}: an entry such as {{mail: someone@example.org}} was expected");
            yield break;
        }

        foreach (var property in entry.EnumerateObject().Where(property => property.Name is not ("on" or "secret") && channels.All(channel => channel.Name != property.Name)))
        {
            mistakes.Add($"{path}.{property.Name}: is not known; there are {string.Join(", ", channels.Select(channel => channel.Name))}, with on and secret");
        }

        var on = entry.TryGetProperty("on", out var when) ? when.ToString().ToLowerInvariant() : "always";
        if (on is not ("always" or "success" or "failure"))
        {
            mistakes.Add($"{path}.on: is one of always, success, failure");
        }

        var secret = entry.TryGetProperty("secret", out var given) ? given.ToString() : null;
        foreach (var channel in channels)
        {
            foreach (var target in entry.TryGetProperty(channel.Name, out var value) ? value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Select(one => one.ToString()) : [value.ToString()] : [])
            {
                var recipient = new Recipient(channel.Name, target, secret);
                if (channel.WhyNot(recipient) is { } why)
                {
                    mistakes.Add($"{path}.{channel.Name}: {why}");
                    continue;
                }

                yield return new Wanted(recipient, on is "always" or "success", on is "always" or "failure");
            }
        }
    }
}
