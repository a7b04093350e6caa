using System.Text.RegularExpressions;

namespace Paas.Receiver.Manifests;

/// <summary>Reads the <c>container</c> part of a <c>paas</c> section.</summary>
static partial class ContainerReader
{
    /// <summary>Megabytes; an engine gives a container no less.</summary>
    const int LeastMemory = 6;

    const int MostMemory = 1 << 24;

    public static ContainerSection Read(Fields? section)
    {
        if (section is null)
        {
            return new ContainerSection();
        }

        var image = section.Text("image");
        if (image is not null && !Reference().IsMatch(image))
        {
            section.Mistake("image", $"{Mistakes.Quote(image)} is neither an image such as HOST/NAME:TAG nor :TAG or @sha256:… of the project's own");
        }

        var (port, memory, reservation) = (Optional("port", 1, 65_535), Optional("memory", LeastMemory, MostMemory), Optional("reservation", 1, MostMemory));
        if (reservation > memory)
        {
            section.Mistake("reservation", $"{reservation} is more than the memory, {memory}");
        }

        var readOnly = section.Flag("read_only");
        section.NoOthers();
        return new ContainerSection(image, port, memory, reservation, readOnly);

        int? Optional(string key, int least, int most) => section.Has(key) ? section.Number(key, least, least, most) : null;
    }

    [GeneratedRegex(@"\A(?:[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,254})?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?\z(?<!\A)", RegexOptions.None, 1000)]
    private static partial Regex Reference();
}
